//! A static server for development: the published tree on one port, read-only.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use tiny_http::{Header, Method, Response, Server};

/// Options of `zhiji serve`.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  zhiji serve target/demo/site\n  zhiji serve site --port 8080 --host 0.0.0.0   # let phones in the same network reach it"
)]
pub struct Args {
    /// The folder to serve.
    dir: PathBuf,
    /// The port; 0 takes a free one, which is printed.
    #[arg(long, default_value_t = 8123)]
    port: u16,
    /// The address to listen on.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST)]
    host: Ipv4Addr,
}

/// Serves until the process is ended.
pub fn run(args: Args) -> Result<()> {
    let root = fs::canonicalize(&args.dir)
        .with_context(|| format!("{} cannot be opened: give a folder made by `zhiji publish`", args.dir.display()))?;
    if !root.is_dir() {
        bail!("{} is a file: give the folder that holds manifest.json", args.dir.display());
    }
    let server = Server::http(SocketAddr::from((args.host, args.port))).map_err(|error| {
        anyhow::anyhow!("port {} cannot be used ({error}): another program may have it, try --port 0", args.port)
    })?;
    println!("http://{}/", server.server_addr());
    // Four workers, so that one slow phone does not hold up the others.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| answer_all(&server, &root));
        }
    });
    Ok(())
}

fn answer_all(server: &Server, root: &Path) {
    for request in server.incoming_requests() {
        let answer = match request.method() {
            Method::Get | Method::Head => file_of(root, request.url()),
            Method::Options => Answer::Preflight,
            _ => Answer::Status(405, "only GET, HEAD and OPTIONS"),
        };
        // A phone that hangs up in the middle is its own affair; the server goes on.
        let _ = match answer {
            Answer::File(file, kind) => {
                request.respond(Response::from_file(file).with_header(header("Content-Type", kind)).open())
            }
            Answer::Preflight => request.respond(Response::empty(204).open()),
            Answer::Status(code, text) => request.respond(Response::from_string(text).with_status_code(code).open()),
        };
    }
}

enum Answer {
    File(File, &'static str),
    Preflight,
    Status(u16, &'static str),
}

/// Finds the file a URL names. The resolved path must lie inside the served folder, links followed, so neither `..` nor a
/// symbolic link leads out of it.
fn file_of(root: &Path, url: &str) -> Answer {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let Some(decoded) = percent_decoded(path) else { return Answer::Status(400, "the path is not UTF-8") };
    let relative = Path::new(decoded.trim_start_matches('/'));
    if relative.components().any(|part| !matches!(part, Component::Normal(_))) {
        return Answer::Status(400, "the path must be plain");
    }
    let Ok(mut found) = fs::canonicalize(root.join(relative)) else { return Answer::Status(404, "no such file") };
    if found.is_dir() {
        found.push("index.html");
        let Ok(index) = fs::canonicalize(&found) else { return Answer::Status(404, "no such file") };
        found = index;
    }
    if !found.starts_with(root) {
        return Answer::Status(404, "no such file");
    }
    match File::open(&found) {
        Ok(file) => Answer::File(file, content_type(&found)),
        Err(_) => Answer::Status(404, "no such file"),
    }
}

fn percent_decoded(path: &str) -> Option<String> {
    let mut out = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        out.push(digit(bytes.next()?)? * 16 + digit(bytes.next()?)?);
    }
    let text = String::from_utf8(out).ok()?;
    (!text.contains(['\0', '\\'])).then_some(text)
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|name| name.to_str()) {
        Some("json" | "map") => "application/json; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("css" | "wxss") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).unwrap_or_else(|()| unreachable!("headers are constants of this file"))
}

trait Open {
    /// Adds what a simulator needs to read from another origin, and forbids caching, which would hide a new publication.
    fn open(self) -> Self;
}

impl<R: std::io::Read> Open for Response<R> {
    fn open(self) -> Self {
        self.with_header(header("Access-Control-Allow-Origin", "*"))
            .with_header(header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS"))
            .with_header(header("Access-Control-Allow-Headers", "*"))
            .with_header(header("Cache-Control", "no-store"))
            .with_header(header("X-Content-Type-Options", "nosniff"))
    }
}
