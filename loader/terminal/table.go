package terminal

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// writeTable writes a header and rows of cells in columns. A cell holds neither tabs nor line ends.
func writeTable(b *strings.Builder, header []string, rows [][]string) {
	table := tabwriter.NewWriter(b, 0, 0, 3, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	_ = table.Flush() // a strings.Builder takes everything
}
