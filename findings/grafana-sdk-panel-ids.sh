#!/bin/sh
# grafana-foundation-sdk writes the panel ids of an annotation's filter as base64 text.
#
# Expected: AnnotationPanelFilter.Ids is written as the JSON array of numbers that Grafana's schema has: "ids":[1,2,3].
# Seen (grafana-foundation-sdk/go 0.0.22): the field is a []uint8, which encoding/json treats as bytes and writes as
# "ids":"AQID". The type also ends at 255, while the ids of panels do not.
# Consequence: an annotation (a deployment, a restart) that is limited to some panels of a generated dashboard has a
# filter that no longer holds ids. The panels' own ids are uint32 and are written as numbers.
#
# Output seen:
#   {"exclude":false,"ids":"AQID"}
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
)

func main() {
	filter, err := dashboard.NewAnnotationPanelFilterBuilder().Ids([]uint8{1, 2, 3}).Build()
	must(err)
	written, err := json.Marshal(filter)
	must(err)
	fmt.Println(string(written))
	var read struct{ IDs any `json:"ids"` }
	must(json.Unmarshal(written, &read))
	if read.IDs != "AQID" {
		fmt.Println("FAIL: the ids are no longer written as base64")
		os.Exit(1)
	}
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
