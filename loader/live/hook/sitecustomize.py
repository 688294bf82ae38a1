"""Answers leaklab's loader what a CPython process holds after a full collection.

The loader puts the folder of this file in front of PYTHONPATH when it launches a server. It does nothing until it is
asked. It then imports the sitecustomize that it shadows. It has no output, and what fails in it fails silently. The
syntax is that of every Python since 2.7, for a server may start programs in any of them.

A process listens on the abstract Unix socket NAME-PID. Only root and the user of the process are answered. The request
is one byte. "?" asks what hinders an answer, and "!" asks for one: a line of key=value, and as many bytes of pymalloc's
and of malloc's statistics as the line announces. "t" asks the same, and starts tracemalloc. "T" asks the same and for
what was allocated since and is held, as JSON before the statistics, and stops it. "x" stops it without that. A server
that uses tracemalloc itself goes on with it: "t" then tells what it has traced before.
"""
import sys

NAME = ""  # set by the loader
FRAMES = 8  # that tracemalloc keeps of each stack
TABLES = 256 << 20  # the most that tracemalloc may need for its tables to be read, in bytes
NUMBERS = 1 << 17  # the most that is told of traces: frames, sizes and counts


def _start(name):
    import _ctypes
    import _signal
    import _socket
    import _thread
    import _tracemalloc
    import atexit
    import gc
    import os
    import time

    # What a server might replace later is taken now, as gevent does with sockets, threads and sleep.
    Socket, allocate_lock, get_ident, get_task, start_thread = (
        _socket.socket, _thread.allocate_lock, _thread.get_ident, _thread.get_native_id, _thread.start_new_thread)
    close, fstat, getpid, geteuid, lseek, pread = os.close, os.fstat, os.getpid, os.geteuid, os.lseek, os.pread
    stat, write, get_frame = os.stat, os.write, sys._getframe
    sleep, clock, cpu_clock = time.sleep, time.perf_counter, time.thread_time
    collect, is_enabled, get_threshold = gc.collect, gc.isenabled, gc.get_threshold
    faults = {_signal.SIGSEGV, _signal.SIGBUS, _signal.SIGFPE, _signal.SIGILL}

    # Up to bpo-44434 a thread of Python ends by pthread_exit. That aborts the program if libgcc_s is not loaded yet and
    # cannot be any more: after chroot, or without a free descriptor.
    if sys.version_info < (3, 10):
        _ctypes.dlopen("libgcc_s.so.1", 0)

    class Int(_ctypes._SimpleCData):
        _type_ = "i"

    class Pointer(_ctypes._SimpleCData):
        _type_ = "P"

    class Text(_ctypes._SimpleCData):
        _type_ = "z"

    class Function(_ctypes.CFuncPtr):  # called with the GIL held
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_PYTHONAPI
        _restype_ = Int

    class Object(_ctypes._SimpleCData):
        _type_ = "O"

    class Opener(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_PYTHONAPI
        _restype_ = Pointer

    class Finder(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_PYTHONAPI
        _restype_ = Object

    hindrance = ""
    try:
        program = _ctypes.dlopen(None, 0)

        def function(symbol, arguments, kind=Function):
            made = kind(_ctypes.dlsym(program, symbol))
            made.argtypes = arguments
            return made

        missing = "the C library"
        malloc_info = function("malloc_info", (Int, Pointer))
        memfd_create = function("memfd_create", (Text, Int))
        fdopen = function("fdopen", (Int, Text), Opener)
        fflush = function("fflush", (Pointer,))
        fclose = function("fclose", (Pointer,))
        missing = "Python"
        python_info = function("_PyObject_DebugMallocStats", (Pointer,))
        missing = "libc.so.6"
        # A program may have an address of its own for malloc, but not for what it never calls.
        if _ctypes.dlsym(_ctypes.dlopen("libc.so.6", 0), "memalign") != _ctypes.dlsym(program, "memalign"):
            hindrance = "another allocator replaces the C library's malloc"
    except Exception:
        hindrance = missing + " has no statistics of its allocator"
    try:
        find = function("_PyTraceMalloc_GetTraceback", (Int, Pointer), Finder)
    except Exception:
        find = None
    blocks = _Blocks(find, Pointer.from_address, _tracemalloc, gc, cpu_clock)

    forget_names = getattr(sys, "_clear_type_cache", None)
    trace, untrace, is_tracing = _tracemalloc.start, _tracemalloc.stop, _tracemalloc.is_tracing

    class Tracing:
        own = False  # tracemalloc was started here

    def stop_tracing():
        if Tracing.own:
            Tracing.own = False
            untrace()

    def hindered(request):
        """Returns an answer that tells why nothing can be told of traces; empty if it can."""
        reason = ""
        if request == b"T" and not is_tracing():
            reason = "the server has stopped tracemalloc"
        elif request != b"!" and is_tracing() and _tracemalloc.get_tracemalloc_memory() > TABLES:
            reason = "tracemalloc holds more blocks than can be told"
            stop_tracing()
        return ("error=%s\n" % reason).encode() if reason else b""

    def describe(whole):
        """Returns what is traced, and stops tracing. A thread keeps some of the chunks that it frees, which malloc counts
        as in use: this one ends, and has them no more."""
        told, done = [b"", 0], allocate_lock()

        def run():
            told[1] = get_task()
            try:
                told[0] = _Sites(gc, sys, os, _tracemalloc, cpu_clock, blocks).told(whole)
            except Exception:
                pass
            finally:
                stop_tracing()
                done.release()

        done.acquire()
        try:
            start_thread(run, ())
        except RuntimeError:  # the limit of threads
            stop_tracing()
            return b""
        done.acquire()
        await_end(told[1])
        return told[0]

    def read(request):
        """Returns the line and the descriptor of a file with what it announces."""
        fd = memfd_create(b"leaklab", 1)  # closed by exec
        stream = fdopen(fd, b"w") if fd >= 0 else None
        if not stream:
            if fd >= 0:
                close(fd)
            return b"error=no descriptor is free for the answer\n", -1
        started, rounds = clock(), 0
        if request != b"!" and forget_names:
            forget_names()  # CPython keeps the last 4,096 names of attributes, such as "do_" + method of http.server
        # A server that has switched the collector off keeps its cycles, so they are live.
        if is_enabled() and get_threshold()[0] > 0:
            while rounds < 3:
                rounds += 1
                if not collect():
                    break
        if request == b"T" or request == b"t" and is_tracing():
            sites = describe(request == b"T")
            if not sites:
                fclose(stream)
                return b"error=what is traced cannot be told\n", -1
            while sites:
                sites = sites[write(fd, sites):]
            if rounds:
                collect()  # what told them is no part of what is held
        told = lseek(fd, 0, os.SEEK_CUR)
        python_info(stream)
        fflush(stream)
        python = lseek(fd, 0, os.SEEK_CUR)
        malloc_info(0, stream)
        fflush(stream)
        stopped = clock() - started
        end = lseek(fd, 0, os.SEEK_CUR)
        answer = os.dup(fd)
        fclose(stream)
        if request == b"t" and not is_tracing():
            Tracing.own = True
            trace(FRAMES)
        line = "rounds=%d stopped=%d sites=%d python=%d malloc=%d\n" % (
            rounds, int(stopped * 1e9), told, python - told, end - python)
        return line.encode(), answer

    def answer(connection):
        request = connection.recv(1)
        if hindrance:
            connection.sendall(("error=" + hindrance + "\n").encode())
        elif request == b"?":
            connection.sendall(b"ready=1\n")
        elif request == b"x":
            stop_tracing()
            connection.sendall(b"ready=1\n")
        elif request in (b"!", b"t", b"T"):
            if request == b"t":
                stop_tracing()  # of an earlier question, whose answer was lost
            line, fd = hindered(request), -1
            if not line:
                line, fd = read(request)
            try:
                connection.sendall(line)
                offset = 0
                while fd >= 0:
                    part = pread(fd, 1 << 16, offset)
                    if not part:
                        break
                    offset += len(part)
                    connection.sendall(part)
            finally:
                if fd >= 0:
                    close(fd)

    def identity(descriptor):
        """Tells a socket from a file that the server has opened under the same number since."""
        try:
            file = fstat(descriptor)
            return file.st_dev, file.st_ino
        except OSError:
            return None

    def is_open(socket, known):
        return identity(socket.fileno()) == known

    def release(socket, known):
        if is_open(socket, known):
            socket.close()
        else:
            socket.detach()

    def address():
        return ("\0%s-%d" % (name, getpid())).encode()

    def listen():
        listener = Socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            listener.bind(address())
            listener.listen(8)
        except BaseException:
            listener.close()
            raise
        return listener, identity(listener.fileno())

    class Listening:
        """A thread that listens."""

        def __init__(self):
            self.thread, self.task = None, 0  # its identity in Python, and in the kernel
            self.listener = self.connection = None  # each a socket, and the identity of that
            self.stopping = False
            self.ended = allocate_lock()  # it releases that at its end
            self.ended.acquire()

    class State:
        current = None  # the thread that was started last
        starting = allocate_lock()

    def serve(own, users, begun):
        own.thread, own.task = get_ident(), get_task()
        begun.release()
        failed = 0
        try:
            while not own.stopping and failed < 20:
                try:
                    if own.listener is not None and not is_open(*own.listener):  # the server closed it
                        own.listener[0].detach()
                        own.listener = None
                    if own.listener is None:
                        own.listener = listen()
                    descriptor, _ = own.listener[0]._accept()
                    failed = 0
                except OSError:
                    failed += 1
                    sleep(0.05)
                    continue
                connection = Socket(fileno=descriptor)
                own.connection = connection, identity(descriptor)
                try:
                    connection.settimeout(10)
                    peer = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
                    if not own.stopping and int.from_bytes(peer[4:8], sys.byteorder) in users:
                        answer(connection)
                except Exception:
                    pass
                release(*own.connection)
                own.connection = None
        except BaseException:
            pass
        finally:
            try:
                if own.listener is not None:
                    release(*own.listener)
            except BaseException:
                pass
            own.thread = own.listener = None
            own.ended.release()

    def start():
        """Starts the thread, if none runs."""
        try:
            # Several threads may fork. A signal's handler that forks in here, in this thread, must not wait for ever.
            if State.starting.acquire(True, 1):
                try:
                    if State.current is None or not State.current.ended.locked():
                        launch()
                finally:
                    State.starting.release()
        except Exception:
            pass

    def launch():
        """Starts a thread. It takes no signals, which are for the threads of the server."""
        own, begun = Listening(), allocate_lock()
        try:
            own.listener = listen()
        except OSError:
            pass  # a process that was forked meanwhile has the address for a moment: the thread tries again
        begun.acquire()
        mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals() - faults)
        try:
            start_thread(serve, (own, (0, geteuid()), begun))
            State.current = own
            begun.acquire(True, 2)  # Python may crash when it ends while a thread begins
        except BaseException:
            if own.listener is not None:
                release(*own.listener)
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)

    def stop():
        """Ends the thread, so that a fork and the end of Python find none in the middle of something."""
        current = State.current
        if current is None or not current.ended.locked() or current.thread == get_ident():
            return
        current.stopping, stopped = True, False
        try:
            wake = Socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            try:
                wake.settimeout(0.5)
                wake.connect(address())
            except ConnectionRefusedError:
                pass  # it ends already, or does not listen yet
            finally:
                wake.close()
            stopped = current.ended.acquire(True, 2)
            if stopped:
                current.ended.release()
                await_end(current.task)
        except Exception:
            pass
        finally:
            if not stopped:
                current.stopping = False  # it goes on, in the parent alone

    def await_end(task):
        """Waits until the kernel has no such thread any more: Python warns of a fork beside one."""
        for _ in range(1000):
            try:
                stat("/proc/self/task/%d" % task)
            except OSError:
                return
            sleep(0.0001)

    def in_child():
        if State.current is not None:
            for held in State.current.listener, State.current.connection:
                if held is not None:  # by the thread of the parent, which goes on there
                    release(*held)
        State.current, State.starting = None, allocate_lock()
        stop_tracing()  # the child is not asked for what it traces
        # A child of subprocess runs another program next. What it does before may need to be without a second thread.
        caller = get_frame().f_back
        if caller is None or caller.f_globals.get("__name__") != "subprocess":
            start()

    start()
    atexit.register(stop)
    os.register_at_fork(before=stop, after_in_parent=start, after_in_child=in_child)


class _Blocks(object):
    """Tells where blocks were allocated. CPython alone knows their addresses."""

    DICTS = 4096  # that are looked at: each takes about 100 us to tell two stacks
    KEYS, VALUES, SIZE = 32, 40, 48  # offsets in a dict, and its size, with 8 bytes to a pointer
    PREHEADER, MANAGED = 32, 1 << 4  # of the objects of a type with that flag, in 3.11
    SECONDS = 1.0  # of processor time, about

    def __init__(self, find, pointer_at, tracemalloc, gc, clock):
        self.find, self.pointer_at, self.gc, self.clock = find, pointer_at, gc, clock
        self.object = tracemalloc._get_object_traceback
        self.flags = type.__dict__["__flags__"].__get__
        self.early = find is not None and sys.version_info[:2] == (3, 11)

    def traced(self, held):
        """Returns the stack that has allocated an object; None if it is not traced. CPython 3.11 looks for most objects of
        classes in Python at a wrong address."""
        stack = self.object(held)
        if stack is None and self.early and self.flags(type(held)) & self.MANAGED:
            return self.find(0, id(held) - self.PREHEADER)
        return stack

    def knows_dicts(self):
        """Tells if the table of a dict is where it is thought to be."""
        probe = dict.fromkeys(range(100))
        if self.find is None or dict.__basicsize__ != self.SIZE or self.pointer_at(id(probe) + self.VALUES).value:
            return False
        table = self.pointer_at(id(probe) + self.KEYS).value
        return table is not None and self.find(0, table) is not None

    def moved(self, objects):
        """Returns {(from, to, size): blocks}: tables of dicts that tracemalloc has at the stack of an earlier dict, from
        whose end they came by a list of free ones, and the stacks of the dicts that have them."""
        if not self.knows_dicts():
            return {}
        size_of, small = dict.__sizeof__, dict.__sizeof__({"": 0})  # that list has the smallest tables alone
        sample, met, every, until = [], 0, 1, self.clock() + self.SECONDS
        for first in range(0, len(objects), 256):
            if self.clock() > until:
                break
            for held in self.gc.get_referents(*objects[first:first + 256]):
                if type(held) is dict and size_of(held) == small:
                    met += 1
                    if met % every == 0:
                        sample.append(held)
                        if len(sample) > self.DICTS:
                            sample, every = sample[1::2], every * 2
        moved, own = {}, set()
        for held in sample:
            if id(held) in own or self.pointer_at(id(held) + self.VALUES).value:  # a table of several dicts
                continue
            own.add(id(held))
            table = self.pointer_at(id(held) + self.KEYS).value
            before = self.find(0, table) if table else None
            now = self.object(held) if before is not None else None
            if now is not None and now != before:
                move = before, now, small - self.SIZE
                moved[move] = moved.get(move, 0) + every
        return moved


class _Sites(object):
    """What tracemalloc has traced, as JSON. It imports nothing, and calls no code of the server."""

    def __init__(self, gc, sys, os, tracemalloc, clock, blocks):
        self.gc, self.sys, self.tracemalloc, self.clock, self.blocks = gc, sys, tracemalloc, clock, blocks
        self.hook = sys._getframe().f_code.co_filename
        self.library = os.__file__.rpartition("/")[0]
        self.quoting = dict((c, "\\u%04x" % c) for c in list(range(32)) + [34, 92])

    def told(self, whole):
        """Returns them, the largest first. Only if whole, each frame has its function, and each trace what holds it."""
        limit = self.tracemalloc.get_traceback_limit()
        # The referents of a module may be objects that were freed. In 3.12 those of _asyncio come alive for a moment, and then
        # every collection goes on for ever.
        module = type(self.gc)
        objects = [held for held in self.gc.get_objects() if not issubclass(type(held), module)]
        try:
            moved = self.blocks.moved(objects)
        except Exception:
            moved = {}
        groups, cut = self.groups(limit, moved)
        functions, holders = {}, {}
        if whole:
            functions = self.functions(objects, set(frame for group in groups for frame in group[2]))
            try:
                holders = _Holders(self.gc, self.sys, self.blocks, self.clock).of(objects, groups)
            except Exception:
                pass
        del objects
        frames, texts = {}, {"": 0}
        traces = []
        for domain, total, stack, sizes in groups:
            places = [frames.setdefault(frame, len(frames)) for frame in stack]
            kind, chain = holders.get(stack, ("", ()))
            traces.append("[%d,%d,%s,%s,%d,%s]" % (
                domain, total, self.numbers(places), self.numbers(n for pair in sizes.items() for n in pair),
                texts.setdefault(kind, len(texts)), self.numbers(texts.setdefault(text, len(texts)) for text in chain)))
        lines = ["[%d,%d,%d]" % (
            texts.setdefault(file, len(texts)), line, texts.setdefault(functions.get((file, line), ""), len(texts)))
            for file, line in frames]
        parts = '{"library":%s,"fields":%d,"limit":%d,"cut":%s,"texts":[%s],"frames":[%s],"traces":[%s]}' % (
            self.quoted(self.library), self.fields, limit, "true" if cut else "false",
            ",".join(map(self.quoted, texts)), ",".join(lines), ",".join(traces))
        return parts.encode("utf-8", "replace")

    def numbers(self, numbers):
        return "[%s]" % ",".join("%d" % n for n in numbers)

    def quoted(self, text):
        return '"%s"' % text[:1000].translate(self.quoting)

    def groups(self, limit, moved):
        """Returns [domain, frames in all, stack, {size: blocks}] of the stacks that hold most, and if some are left out."""
        groups = {}
        traces = self.tracemalloc._get_traces()  # those of a stack have the same tuple
        self.fields = len(traces[0]) if traces else 0
        for trace in traces:
            stack = trace[2]
            group = groups.get((trace[0], id(stack)))
            if group is None:
                # Python 3.8 does not tell how many frames there were.
                total = trace[3] if len(trace) > 3 else len(stack) + (len(stack) == limit)
                group = groups[trace[0], id(stack)] = [trace[0], total, stack, {}]
            sizes = group[3]
            sizes[trace[1]] = sizes.get(trace[1], 0) + 1
        self.move(groups, moved)
        largest = sorted(groups.values(), key=lambda g: (-sum(size * n for size, n in g[3].items()), g[2]))
        kept, numbers = [], 0
        for group in largest:
            if any(file == self.hook for file, _ in group[2]):
                continue
            numbers += len(group[2]) + 2 * len(group[3])
            if numbers > NUMBERS:
                return kept, True
            kept.append(group)
        return kept, False

    def move(self, groups, moved):
        """Moves blocks from one stack to another."""
        stacks = dict((group[2], group[3]) for group in groups.values()) if moved else {}
        for (before, now, size), count in moved.items():
            source, target = stacks.get(before, {}), stacks.get(now)
            count = min(count, source.get(size, 0))
            if target is not None and count:
                source[size] -= count
                target[size] = target.get(size, 0) + count

    def functions(self, objects, wanted):
        """Returns the name of the function of each frame whose code is known. Of nested ones with the same line, the outer
        one has run it."""
        files, names, seen = set(file for file, _ in wanted), {}, set()
        function = type(self.told.__func__)
        for held in objects:
            if type(held) is not function:
                continue
            code = held.__code__
            name = held.__qualname__ if held.__name__ == code.co_name else code.co_name  # functools.wraps renames
            codes = [(code, name)]
            while codes:
                code, name = codes.pop()
                if code in seen:
                    continue
                seen.add(code)
                name = getattr(code, "co_qualname", name)
                codes.extend((c, name + ".<locals>." + c.co_name) for c in code.co_consts if type(c) is type(code))
                if code.co_filename not in files:
                    continue
                order = code.co_firstlineno, len(name), name
                for line in self.lines(code):
                    place = code.co_filename, line
                    if place in wanted and (place not in names or order < names[place]):
                        names[place] = order
        return dict((place, order[2]) for place, order in names.items())

    def lines(self, code):
        """Returns the lines of a code object."""
        if hasattr(code, "co_lines"):
            return set(line for _, _, line in code.co_lines() if line)
        line, lines = code.co_firstlineno, set()
        lines.add(line)
        for step in bytearray(code.co_lnotab)[1::2]:
            line += step if step < 128 else step - 256
            lines.add(line)
        return lines


class _Holders(object):
    """Finds what the objects of the largest stacks are, and what keeps them from being collected."""

    STACKS = 8  # that are looked at
    BATCH = 256  # containers at a time
    OBJECTS = 16  # of each stack that are looked at
    FIRST, LAST = 64, 256  # of the objects in a container
    TRACED = 10000  # objects of the load that are met: each takes about 50 us to tell its stack
    LEVELS = 12  # of holders, at most
    WIDTH = 32  # holders of a level
    SECONDS = 2.0  # of processor time for what they are, and as long for what holds them, about

    def __init__(self, gc, sys, blocks, clock):
        self.gc, self.traced, self.clock = gc, blocks.traced, clock
        frame = sys._getframe()
        self.frame, self.hook = type(frame), frame.f_code.co_filename
        self.until, self.left = 0, self.TRACED
        self.kinds, self.examples, self.holders = {}, {}, {}
        self.roots = {id(gc.garbage): "gc.garbage"}
        self.modules, self.module = {}, type(gc)
        for name, module in list(sys.modules.items()):
            if type(module) is self.module:
                self.modules[id(module.__dict__)] = name
        self.own = set((id(self.modules), id(self.roots), id(self.__dict__), id(self)))

    def of(self, objects, groups):
        """Returns {stack: (class, holders)}. What is met first counts: containers are told by their age, the oldest first."""
        self.wanted = dict((group[2], self.OBJECTS) for group in groups[:self.STACKS])
        self.own.update(map(id, (objects, groups, self.wanted, self.kinds, self.examples, self.holders)))
        self.own.update(map(id, groups))
        until = self.clock() + self.SECONDS
        for first in range(0, len(objects), self.BATCH):
            if not self.wanted or self.left < 0 or self.clock() > until:
                break
            batch = objects[first:first + self.BATCH]
            # A list for each container would take most of the time, for tracemalloc traces it.
            if any(self.traced(held) is not None for held in self.gc.get_referents(*batch)):
                for holder in batch:
                    self.meet(holder)
        batch = None
        found = {}
        self.until = self.clock() + self.SECONDS
        for stack, counts in self.kinds.items():
            kind = max(counts, key=counts.get)
            found[stack] = kind, self.chain(self.examples[stack, kind], self.holders[stack, kind])
        return found

    def meet(self, holder):
        """Notes what a container holds of the stacks that are wanted."""
        if id(holder) in self.own:
            return
        referents = self.gc.get_referents(holder)
        if len(referents) > self.FIRST + self.LAST:
            referents = referents[:self.FIRST] + referents[-self.LAST:]
        for held in referents:
            stack = self.traced(held)
            if stack is None:
                continue
            self.left -= 1
            if stack not in self.wanted:
                continue
            kind = self.kind(held)
            counts = self.kinds.setdefault(stack, {})
            counts[kind] = counts.get(kind, 0) + 1
            known = self.holders.get((stack, kind))
            # What a variable holds itself is one object: of a counter, the number that was last.
            if known is None or id(known) in self.modules and id(holder) not in self.modules:
                self.examples[stack, kind], self.holders[stack, kind] = held, holder
            self.wanted[stack] -= 1
            if self.wanted[stack] == 0:
                del self.wanted[stack]

    def kind(self, held):
        kind = type(held)
        name, module = type.__dict__["__qualname__"].__get__(kind), type.__dict__["__module__"].__get__(kind)
        return name if module == "builtins" or type(module) is not str else module + "." + name

    def chain(self, held, holder):
        """Returns what holds on, the nearest first, up to a variable of a module. The shortest way is looked for."""
        level, parents = [holder], {id(holder): None}
        known = [level]  # an identity is one as long as the object is
        self.own.update(map(id, (level, parents, known)))
        for _ in range(self.LEVELS):
            for one in level:
                if id(one) in self.roots or id(one) in self.modules:
                    return self.way(one, parents, held)
            if self.clock() > self.until:
                break
            above, following = self.gc.get_referrers(*level), []
            self.own.update(map(id, (above, following)))
            for one in above:
                if len(following) == self.WIDTH:
                    break
                if id(one) in self.own or id(one) in parents or self.passing(one):
                    continue
                below = [r for r in level if any(r is held for held in self.gc.get_referents(one))]
                if below:
                    parents[id(one)] = below[0]
                    following.append(one)
            if not following:
                break
            level = following
            known.append(level)
        return [self.kind(holder)]

    def passing(self, one):
        """Tells if it is a frame of this hook, or a module, whose variables are in its dict."""
        return type(one) is self.frame and one.f_code.co_filename == self.hook or issubclass(type(one), self.module)

    def way(self, root, parents, held):
        """Returns the names on the way from the first holder to the root."""
        names, below = [], parents[id(root)]
        if id(root) in self.roots:
            names.append(self.roots[id(root)])
        else:
            variable = ""  # it may have another value by now
            for key, value in list(root.items()):
                if value is (held if below is None else below) and type(key) is str:
                    variable = "." + key
            names.append(self.modules[id(root)] + variable)
        while below is not None:
            names.append(self.kind(below))
            below = parents[id(below)]
        return names[::-1]


def _hide():
    """Takes this module out of sight. It is returned, for Python 2 empties a module that is not referred to."""
    import os

    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != folder]
    sys.path_importer_cache.pop(folder, None)
    return sys.modules.pop(__name__, None)


try:
    if sys.version_info >= (3, 8) and sys.implementation.name == "cpython" and sys.platform == "linux":
        _start(NAME)
except Exception:
    pass
_self = _hide()
import sitecustomize  # the one that this one shadows; none is as if this one were not there either
