"""Answers leaklab's loader what a CPython process holds after a full collection.

The loader puts the folder of this file in front of PYTHONPATH when it launches a server. It does nothing until it is
asked. It then imports the sitecustomize that it shadows. It has no output, and what fails in it fails silently. The
syntax is that of every Python since 2.7, for a server may start programs in any of them.

A process listens on the abstract Unix socket NAME-PID. Only root and the user of the process are answered. The request
is one byte: "?" asks what hinders an answer, "!" asks for one. The answer is a line of key=value and, after "!", as
many bytes of pymalloc's and of malloc's statistics as the line announces.
"""
import sys

NAME = ""  # set by the loader


def _start(name):
    import _ctypes
    import _signal
    import _socket
    import _thread
    import atexit
    import gc
    import os
    import time

    # What a server might replace later is taken now, as gevent does with sockets, threads and sleep.
    Socket, allocate_lock, get_ident, get_task, start_thread = (
        _socket.socket, _thread.allocate_lock, _thread.get_ident, _thread.get_native_id, _thread.start_new_thread)
    close, fstat, getpid, geteuid, lseek, pread = os.close, os.fstat, os.getpid, os.geteuid, os.lseek, os.pread
    stat, get_frame = os.stat, sys._getframe
    sleep, clock = time.sleep, time.perf_counter
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

    class Opener(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_PYTHONAPI
        _restype_ = Pointer

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

    def read():
        """Returns the line and the descriptor of a file with the statistics."""
        fd = memfd_create(b"leaklab", 1)  # closed by exec
        stream = fdopen(fd, b"w") if fd >= 0 else None
        if not stream:
            if fd >= 0:
                close(fd)
            return b"error=no descriptor is free for the answer\n", -1
        started, rounds = clock(), 0
        # A server that has switched the collector off keeps its cycles, so they are live.
        if is_enabled() and get_threshold()[0] > 0:
            while rounds < 3:
                rounds += 1
                if not collect():
                    break
        python_info(stream)
        fflush(stream)
        python = lseek(fd, 0, os.SEEK_CUR)
        malloc_info(0, stream)
        fflush(stream)
        stopped = clock() - started
        both = lseek(fd, 0, os.SEEK_CUR)
        answer = os.dup(fd)
        fclose(stream)
        line = "rounds=%d stopped=%d python=%d malloc=%d\n" % (rounds, int(stopped * 1e9), python, both - python)
        return line.encode(), answer

    def answer(connection):
        request = connection.recv(1)
        if hindrance:
            connection.sendall(("error=" + hindrance + "\n").encode())
        elif request == b"?":
            connection.sendall(b"ready=1\n")
        elif request == b"!":
            line, fd = read()
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
        # A child of subprocess runs another program next. What it does before may need to be without a second thread.
        caller = get_frame().f_back
        if caller is None or caller.f_globals.get("__name__") != "subprocess":
            start()

    start()
    atexit.register(stop)
    os.register_at_fork(before=stop, after_in_parent=start, after_in_child=in_child)


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
