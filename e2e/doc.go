// Package e2e drives the real lab from outside, as its users do: the programs as processes, and, where there
// is Docker, the real docker-compose.yml with a real Prometheus. It imports nothing of the lab.
package e2e
