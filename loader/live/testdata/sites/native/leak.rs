// A server that keeps LEAK_BYTES a request in the way that LEAK names, on 127.0.0.1:PORT; 0 is any free port, and the
// address is printed. LEAK=none does the same work, and keeps nothing.
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

static HISTORY: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static NUMBER: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static LOCAL: RefCell<HashMap<usize, String>> = RefCell::new(HashMap::new());
}

struct Session {
    body: Box<[u8]>,
}

impl Session {
    #[inline(always)]
    fn new(size: usize) -> Session {
        Session { body: vec![1; size].into_boxed_slice() } // forgotten
    }
}

#[inline(never)]
fn remember(_: usize, size: usize) {
    HISTORY.lock().unwrap().push(vec![0; size]); // static collection
}

#[inline(never)]
fn forget(_: usize, size: usize) {
    let session: &'static Session = Box::leak(Box::new(Session::new(size)));
    assert!(session.body.len() == size);
}

#[inline(never)]
fn cache(number: usize, size: usize) {
    let page = "x".repeat(size); // thread-local
    LOCAL.with(|local| local.borrow_mut().insert(number, page));
}

fn nothing(number: usize, size: usize) {
    remember(number, size);
    HISTORY.lock().unwrap().pop();
    drop(Session::new(size));
    cache(number, size);
    LOCAL.with(|local| local.borrow_mut().clear());
}

fn serve(mut connection: TcpStream, leak: fn(usize, usize), size: usize) -> std::io::Result<()> {
    let mut request = [0; 4096];
    while connection.read(&mut request)? > 0 {
        leak(NUMBER.fetch_add(1, Ordering::Relaxed), size);
        connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
    }
    Ok(())
}

fn main() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let leak: fn(usize, usize) = match variable("LEAK").as_str() {
        "vec" => remember,
        "leak" => forget,
        "thread_local" => cache,
        "none" => nothing,
        _ => panic!("LEAK: expected vec, leak, thread_local or none"),
    };
    HISTORY.lock().unwrap().reserve(1 << 17);
    let size = variable("LEAK_BYTES").parse().unwrap_or(1 << 10);
    let port = variable("PORT").parse().unwrap_or(0);
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    for connection in listener.incoming() {
        std::thread::spawn(move || serve(connection.unwrap(), leak, size));
    }
}
