package record

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// smallDisk names a folder on a disk of 8 KiB to the test that runs once more in a mount namespace.
const smallDisk = "LEAKLAB_TEST_SMALL_DISK"

// A row may fit on a full disk in part. No part of it is left.
func TestATableHoldsWholeRowsOfAFullDisk(t *testing.T) {
	if disk := os.Getenv(smallDisk); disk != "" {
		fillTable(t, disk)
		return
	}
	const script = `mount -t tmpfs -o size=8k none "$` + smallDisk + `" && exec "$0" -test.v -test.run "^$1$"`
	namespaces := [][]string{{"--mount"}, {"--map-root-user", "--mount"}}
	for n, namespace := range namespaces {
		if exec.Command("unshare", append(namespace, "true")...).Run() != nil {
			if n == len(namespaces)-1 {
				t.Skip("mounting is not allowed here")
			}
			continue
		}
		again := exec.Command("unshare", append(namespace, "sh", "-c", script, os.Args[0], t.Name())...)
		again.Env = append(os.Environ(), smallDisk+"="+t.TempDir())
		output, err := again.CombinedOutput()
		require.NoError(t, err, string(output))
		require.Contains(t, string(output), "--- PASS: "+t.Name())
		return
	}
}

func fillTable(t *testing.T, disk string) {
	table, err := createRows(disk, "rows.csv")
	require.NoError(t, err)
	defer table.file.Close()
	written := func() string {
		content, err := os.ReadFile(filepath.Join(disk, "rows.csv"))
		require.NoError(t, err)
		return string(content)
	}
	var want strings.Builder
	for n := 0; err == nil; n++ {
		one, other := fmt.Sprintf("%d,%s\n", n, strings.Repeat("x", 500)), fmt.Sprintf("%d,%s\n", n, strings.Repeat("y", 500))
		if err = table.append([]byte(one + other)); err == nil {
			want.WriteString(one + other)
		} else if strings.HasSuffix(written(), one) {
			want.WriteString(one) // there was room for one of the two
		}
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	assert.Equal(t, want.String(), written())
	assert.Less(t, want.Len(), 8<<10-100, "a row was torn")
	require.ErrorIs(t, table.append([]byte(strings.Repeat("z", 1000)+"\n")), syscall.ENOSPC)
	assert.Equal(t, want.String(), written())
	require.NoError(t, table.append([]byte("short\n")), "what fits may still be written")
	assert.Equal(t, want.String()+"short\n", written())
}
