package subject

import (
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"syscall"
)

// guardScript reads the process group to guard, then lines with orphans of it, PID:START, until the end of its input. That
// comes when the loader ends for any reason, SIGKILL included. The script then ends the group, the orphans that started at
// that time, and all descendants: SIGTERM, and SIGKILL after 5 s. A shell needs 1 MB. It runs no other program but ps,
// where there is no /proc.
const guardScript = `read -r group || exit 0
orphans=" "
while read -r orphan; do orphans="$orphans$orphan "; done
processes=$(
	found=
	for stat in /proc/[0-9]*/stat; do
		{ read -r line <"$stat"; } 2>/dev/null || continue
		set -- ${line##*) }
		found=yes
		case $orphans in
		*" ${line%% *}:${20} "*) echo "${line%% *}:$group" ;;
		*) echo "${line%% *}:$2" ;;
		esac
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

// guard is a process that ends the server, or a load tool, after the loader has ended.
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
		return nil, fmt.Errorf("cannot start its guard process: %w", err)
	}
	return &guard{command: cmd, input: input}, nil
}

// GuardGroup has a process group ended if this program ends, for any reason, before dismiss is called. It fails when the
// guard, a shell, cannot be started.
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

// watch tells the guard its process group.
func (g *guard) watch(group int) error { return g.tell(strconv.Itoa(group)) }

// watchOrphan tells the guard a process that its group has orphaned, and when it started, in clock ticks since the boot.
func (g *guard) watchOrphan(pid int, started uint64) error {
	return g.tell(fmt.Sprintf("%d:%d", pid, started))
}

func (g *guard) tell(line string) error {
	if _, err := fmt.Fprintln(g.input, line); err != nil {
		return fmt.Errorf("cannot reach its guard process: %w", err)
	}
	return nil
}

// dismiss ends the guard and leaves the group alone.
func (g *guard) dismiss() {
	_ = g.command.Process.Kill()
	_ = g.command.Wait()
}
