package subject

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// guardScript waits for the PID of the group to guard, then for the end of its input, which comes when the
// loader ends in whatever way, SIGKILL included. Then it ends the group and all that descends from its leader, which may
// have left it. It is a shell, so that it outlives the loader in 1 MB, and asks for no program but ps, where there is no
// /proc.
const guardScript = `read -r group || exit 0
read -r _
processes=$(
	found=
	for stat in /proc/[0-9]*/stat; do
		{ read -r line <"$stat"; } 2>/dev/null || continue
		set -- ${line##*) }
		found=yes
		echo "${line%% *}:$2"
	done
	[ "$found" ] || ps -A -o pid=,ppid= | while read -r pid parent; do echo "$pid:$parent"; done
)
tree=" $group " before=
while [ "$tree" != "$before" ]; do
	before=$tree
	for process in $processes; do
		case $tree in *" ${process%:*} "*) continue ;; esac
		case $tree in *" ${process#*:} "*) tree="$tree${process%:*} " ;; esac
	done
done
some() {
	some=1
	for process in "-$group" $tree; do
		kill "-$1" "$process" 2>/dev/null && some=0
	done
	return $some
}
some TERM || exit 0
for _ in 1 2 3 4 5; do
	sleep 1
	some 0 || exit 0
done
some KILL`

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
