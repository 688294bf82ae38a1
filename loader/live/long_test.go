package live

import "os"

// long tells if tests that take long run too.
func long() bool { return os.Getenv("LEAKLAB_LONG") == "1" }
