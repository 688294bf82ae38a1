package subject

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// guardScript waits for the PID of the group to guard, then for the end of its input, which comes when the
// loader ends in whatever way, SIGKILL included. It is a shell, so that it outlives the loader in 1 MB.
const guardScript = `read -r group || exit 0
read -r _
kill -TERM "-$group" 2>/dev/null || exit 0
for _ in 1 2 3 4 5; do
	sleep 1
	kill -0 "-$group" 2>/dev/null || exit 0
done
kill -KILL "-$group" 2>/dev/null`

// guard is a process that kills the server, or a load tool, when the loader is gone.
type guard struct {
	command *exec.Cmd
	input   io.WriteCloser
}

func startGuard() (*guard, error) {
	cmd := exec.Command("sh", "-c", guardScript)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C must not reach it
	input, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot start the process that guards it: %w", err)
	}
	return &guard{command: cmd, input: input}, nil
}

// GuardGroup has a process group killed should this program end before dismiss is called, in whatever way.
func GuardGroup(group int) (dismiss func(), err error) {
	guard, err := startGuard()
	if err != nil {
		return nil, err
	}
	if err := guard.watch(group); err != nil {
		guard.dismiss()
		return nil, err
	}
	return guard.dismiss, nil
}

// watch hands over the process group to kill.
func (g *guard) watch(group int) error {
	if _, err := fmt.Fprintln(g.input, group); err != nil {
		return fmt.Errorf("cannot reach the process that guards it: %w", err)
	}
	return nil
}

// dismiss ends the guard without harm to the group.
func (g *guard) dismiss() {
	_ = g.command.Process.Kill()
	_ = g.command.Wait()
}
