package live

func python() runtime { return runtime{kind: Python, runs: func(process) bool { return false }} }
