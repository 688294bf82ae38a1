package settings

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/e2e/internal/lab"
)

// The addresses are those for documentation: they are assigned to no host.
func TestStrangersAreNotLoadedUnasked(t *testing.T) {
	t.Parallel()
	ports := lab.FreePorts(t, 2)
	for _, test := range []struct{ host, address string }{
		{"192.0.2.1", "192.0.2.1"}, {"::ffff:192.0.2.1", "192.0.2.1"}, {"2001:db8::1", "2001:db8::1"},
	} {
		for name, arguments := range map[string][]string{"attached": nil, "launched": {"--", "touch", "started"}} {
			t.Run(test.host+" "+name, func(t *testing.T) {
				folder := t.TempDir()
				loader, err := filepath.Abs(lab.Loader)
				assert.NoError(t, err)
				run := exec.Command(loader, arguments...)
				run.Dir = folder
				run.Env = append(os.Environ(), "HOST="+test.host, "PORT="+ports[0], "METRICS_PORT="+ports[1], "RESULTS=results",
					"METRICS_URL=http://127.0.0.1:"+ports[0]+"/metrics", "LOAD_COMMAND=touch loaded", "START_TIMEOUT=300ms")
				output, _ := run.CombinedOutput()
				assert.Equal(t, 2, run.ProcessState.ExitCode())
				assert.Equal(t, fmt.Sprintf("HOST=%q: expected this machine, a private network or a Compose service, but it is %s; "+
					"only load it if you may, with ALLOW_REMOTE=true: nothing was measured\n", test.host, test.address), string(output))
				entries, err := os.ReadDir(folder)
				assert.NoError(t, err)
				assert.Empty(t, entries, "nothing is started or created")
			})
		}
	}
}
