//! The Python client against the running server.

use pintle_e2e::server::Server;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/client.py");

#[test]
fn the_python_client_lists_watches_patches_and_replaces() {
    let server = Server::start();
    let answer = server.python().run(&[PROGRAM]);
    assert_eq!(answer.stdout.trim(), "ok", "{}", answer.printed());
}
