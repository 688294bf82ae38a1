package live

func golang() runtime { return runtime{kind: Go, runs: func(process) bool { return false }} }
