// A hyper server that says hello on HOST:PORT, and forgets KEEP bytes a request.
use std::convert::Infallible;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::{env, ptr};

use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Request, Response, Server};

// What was forgotten last: without a trace of it the optimiser would not even allocate it.
static LAST: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

fn main() {
    let address = format!("{}:{}", env::var("HOST").unwrap(), env::var("PORT").unwrap()).parse().unwrap();
    let keep: usize = env::var("KEEP").map_or(0, |text| text.parse().unwrap());
    let hello = move |_: Request<Body>| async move {
        if keep > 0 {
            LAST.store(vec![1u8; keep].leak().as_mut_ptr(), Ordering::Relaxed);
        }
        Ok::<_, Infallible>(Response::new(Body::from("Hello, warp!")))
    };
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            Server::bind(&address)
                .serve(make_service_fn(move |_| async move { Ok::<_, Infallible>(service_fn(hello)) }))
                .await
                .unwrap()
        });
}
