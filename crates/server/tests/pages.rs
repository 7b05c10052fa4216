//! The page for browsers over a real connection: what is served, how, and what is not.

#![allow(clippy::unwrap_used, reason = "the fixtures of a test may fail it")]

use std::net::Ipv4Addr;

use snug_server::{Config, PageFile, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PAGES: &[PageFile] = &[
    PageFile {
        path: "guest.html",
        content: b"<!doctype html><title>Snug</title>",
    },
    PageFile {
        path: "assets/guest-1a2b.js",
        content: b"let snug;",
    },
];

async fn serve(pages: &'static [PageFile]) -> (Server, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let config = Config {
        port: 0,
        bind: Some(Ipv4Addr::LOCALHOST.into()),
        data_dir: data.path().to_owned(),
        pages,
        ..Config::default()
    };
    (Server::start(config).await.unwrap(), data)
}

/// Asks for a path; returns the head, in lower case, and the body.
async fn ask(server: &Server, method: &str, path: &str) -> (String, String) {
    let address = server.addresses()[0];
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let ask = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

fn is_strict(head: &str) -> bool {
    [
        "content-security-policy: default-src 'none';",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
    ]
    .iter()
    .all(|line| head.contains(line))
}

#[tokio::test]
async fn every_room_has_the_page_and_nothing_else_is_there() {
    let (server, _data) = serve(PAGES).await;
    for path in [
        "/",
        "/room/a",
        "/room/Harbour%20crew",
        "/room/%F0%9F%8C%8A",
        "/room/a?b=c",
    ] {
        let (head, body) = ask(&server, "GET", path).await;
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
        assert!(
            head.contains("content-type: text/html; charset=utf-8"),
            "{head}"
        );
        assert!(head.contains("cache-control: no-cache"), "{head}");
        assert!(is_strict(&head), "{path}: {head}");
        assert!(body.contains("<title>Snug"), "{path}: {body}");
    }
    for path in [
        "/room",
        "/room/",
        "/room/a/b",
        "/room/a%2Fb",
        "/room/%ff",
        "/room/%20",
        "/guest.html",
        "/assets/",
        "/assets/guest-1a2b.js/",
        "/assets/../guest.html",
        "/assets/%2e%2e/guest.html",
        "/assets/no.js",
        "//",
        "/favicon.ico",
    ] {
        let (head, body) = ask(&server, "GET", path).await;
        let status = head.split_whitespace().nth(1).unwrap();
        assert!(["404", "400"].contains(&status), "{path}: {head}");
        assert!(is_strict(&head), "{path}: {head}");
        assert!(!body.contains("<title>"), "{path}: {body}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn assets_are_kept_and_only_read() {
    let (server, _data) = serve(PAGES).await;
    let path = "/assets/guest-1a2b.js";
    let (head, body) = ask(&server, "GET", path).await;
    assert!(
        head.contains("cache-control: public, max-age=31536000, immutable"),
        "{head}"
    );
    assert!(head.contains("content-type: text/javascript"), "{head}");
    assert_eq!((is_strict(&head), body.as_str()), (true, "let snug;"));
    let (head, body) = ask(&server, "HEAD", path).await;
    assert!(
        head.starts_with("http/1.1 200") && body.is_empty(),
        "{head}"
    );
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        for path in [path, "/", "/room/a"] {
            let (head, _) = ask(&server, method, path).await;
            assert!(head.starts_with("http/1.1 405"), "{method} {path}: {head}");
            assert!(is_strict(&head), "{head}");
        }
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_server_without_the_page_says_so() {
    let (server, _data) = serve(&[]).await;
    let (head, body) = ask(&server, "GET", "/room/a").await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
    assert!(body.contains("holds no page for browsers"), "{body}");
    assert!(is_strict(&head), "{head}");
    server.shutdown().await;
}
