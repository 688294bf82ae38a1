// Package e2e holds tests that drive the real lab from outside, as its users do: the programs as processes, and the real
// docker-compose.yml with a real Prometheus. They import nothing of the lab. Each subject is a package:
//
//	process     starting, stopping, interrupting; what a run prints
//	settings    wrong values, .env, hosts that may not be loaded
//	load        shapes, protocols, load tools, several loaders
//	hostile     servers and endpoints that attack the loader
//	fault       servers that crash or hang, disks that are full
//	live        live memory: servers in several runtimes, and what only a collection frees
//	verdict     leaks that are found, at their line, and recorded runs
//	shape       leaks that only the fitting load finds
//	report      the files of a run, secrets, the page in a browser
//	compare     baselines, recorded runs, reproduction, git bisect, CI
//	foreign     servers from Debian's packages, the recipes of README.md and docs/
//	footprint   the loader's CPU and memory, and that it does not leak
//	dashboard   the JSON that Grafana is given
//	prometheus  the dashboard's queries, with a real Prometheus and without Docker
//	docker      everything that needs Docker
//	house       the structure of the code, dependencies
//
// By default, as in "go test work", the runs are few and short: iterations of a few thousand requests, with big leaks and a
// big TOLERANCE. These variables ask for more:
//
//	LEAKLAB_LONG=1             the long tests too: runs with the default TOLERANCE, 50 interrupted runs, programs that
//	                           are built first (hyper, Prometheus), everything that needs Docker; give it -timeout 60m
//	LEAKLAB_SOAK=1h            TestLoaderDoesNotLeak takes this long
//	LEAKLAB_REQUIRE_SERVERS=1  a test fails instead of being skipped where a server of Debian's is missing
//	LEAKLAB_REQUIRE_DOCKER=1   a test fails instead of being skipped where Docker is missing
package e2e
