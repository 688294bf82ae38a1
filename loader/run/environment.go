package run

import (
	"slices"
	"strconv"
	"strings"

	"leaklab/loader/reproduce"
	"leaklab/loader/target"
)

// environmentOf are the variables, NAME=VALUE, of a server that command starts where server says. They are those that the
// user has exported, and HOST and PORT. METRICS_PORT is not passed on: it is that of the loader. Other settings are for the
// loader alone, such as WORKERS and TIMEOUT, which may mean something else to a server. The demo server gets ofDemo too.
func environmentOf(server target.Plan, command, exported, ofDemo []string) []string {
	variables := slices.DeleteFunc(slices.Clone(exported), func(variable string) bool {
		return strings.HasPrefix(variable, "METRICS_PORT=")
	})
	variables = append(variables, "HOST="+server.Host, "PORT="+strconv.Itoa(server.Port))
	if reproduce.StartsDemo(command) {
		variables = append(variables, ofDemo...)
	}
	return variables
}
