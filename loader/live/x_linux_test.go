package live

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"leaklab/loader/jfr"
)

func TestX(t *testing.T) {
	folder := compiledLeaks(t)
	for _, options := range []string{"-XX:+UseSerialGC", "-XX:+UseParallelGC", "-XX:+UseZGC", "-XX:+UseG1GC"} {
		t.Run(options, func(t *testing.T) {
			p := leaks(t, folder, "static", trackNative, "-Xmx256m", options)
			p.load(2000)
			o, err := p.attach()
			require.NoError(t, err)
			reading(t, o)
			files := make(map[string][]byte)
			naming := p.named(o, saved(files), 8000)
			for _, d := range files {
				r, _ := jfr.Read(d)
				fmt.Println(options, len(r.Samples), len(naming.Sites), len(d))
			}
			for _, s := range naming.Sites {
				fmt.Println(s.Class, s.Function, s.Line, s.Holders)
			}
		})
	}
}
