#!/bin/sh
# grafana-foundation-sdk's strict reader returns an error without a message for a valid dashboard, and empties its panels.
#
# Expected: UnmarshalJSONStrict of what the SDK itself has written returns nil and the same dashboard.
# Seen (grafana-foundation-sdk/go 0.0.22): it returns an empty cog.BuildErrors as an error, which is not nil and has the text "".
# A panel is read by trying its types, and the attempt that succeeds also counts as failed.
# So each entry of Panels is left empty. json.Unmarshal reads the same bytes without a loss.
# Consequence: `if err != nil` always fires, and who ignores the empty error loses all panels of the dashboard.
#
# Output seen:
#   strict: err != nil: true, text "", type cog.BuildErrors, 2 panels, 2 of them empty; json.Unmarshal: <nil>, 2 panels, 0 of them empty
set -eu

export GOWORK=off GOFLAGS=-modcacherw GOTOOLCHAIN=go1.26.8
FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
export GOMODCACHE="$FOLDER/modules" GOCACHE="$FOLDER/cache" GOTMPDIR="$FOLDER"
cd "$FOLDER"

cat >go.mod <<'END'
module finding

go 1.26.0
END
cat >main.go <<'END'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	built, err := dashboard.NewDashboardBuilder("Memory").
		WithPanel(timeseries.NewPanelBuilder().Title("RSS")).
		WithPanel(timeseries.NewPanelBuilder().Title("Heap")).Build()
	must(err)
	written, err := json.Marshal(built)
	must(err)

	var strict, loose dashboard.Dashboard
	strictErr := strict.UnmarshalJSONStrict(written)
	looseErr := json.Unmarshal(written, &loose)
	text := ""
	if strictErr != nil {
		text = strictErr.Error()
	}
	fmt.Printf("strict: err != nil: %t, text %q, type %T, %d panels, %d of them empty; json.Unmarshal: %v, %d panels, %d of them empty\n",
		strictErr != nil, text, strictErr, len(strict.Panels), empty(strict), looseErr, len(loose.Panels), empty(loose))
	if strictErr == nil || text != "" || empty(strict) != 2 || looseErr != nil || len(loose.Panels) != 2 || empty(loose) != 0 {
		fmt.Println("FAIL: the strict reader no longer returns an empty error and empty panels")
		os.Exit(1)
	}
}

// empty counts the entries of Panels that hold neither a panel nor a row.
func empty(read dashboard.Dashboard) (count int) {
	for _, panel := range read.Panels {
		if panel.Panel == nil && panel.RowPanel == nil {
			count++
		}
	}
	return count
}

func must(err error) {
	if err != nil {
		fmt.Println("FAIL:", err)
		os.Exit(1)
	}
}
END
go get github.com/grafana/grafana-foundation-sdk/go/dashboard@v0.0.22 2>get.log || { cat get.log; exit 1; }
go build -o check .
./check
