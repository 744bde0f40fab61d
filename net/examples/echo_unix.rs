//! An echo server for processes of the same machine: it knows who asks, and takes descriptors along with bytes.
//!
//! ```text
//! cargo run -p filch-net --example echo_unix                  # talks to itself, and ends
//! cargo run -p filch-net --example echo_unix -- /tmp/echo     # serves until ctrl-c; talk to it with `nc -U /tmp/echo`
//! ```
//!
//! The socket is a file, which nobody removes by himself. The server takes it over if the last one has died, and says so if that lives.

use filch_net::{UnixListener, UnixStream};
use futures_lite::StreamExt;
use futures_lite::io::{AsyncReadExt, AsyncWriteExt};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process;

#[filch::main]
pub(crate) async fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).map(PathBuf::from);
    match path.filter(|path| path.is_absolute()) {
        None => {
            let path = std::env::temp_dir().join(format!("filch-echo-{}.sock", process::id()));
            // The last one has crashed, and left its file.
            drop(UnixListener::bind(&path)?);
            let server = filch::spawn(serve(UnixListener::bind_replacing(&path).await?));
            demonstrate(&path).await?;
            server.abort();
            fs::remove_file(path)
        }
        Some(path) => {
            let server = filch::spawn(serve(UnixListener::bind_replacing(&path).await?));
            println!("listening on {}", path.display());
            filch_net::signal::ctrl_c().await?;
            server.abort();
            fs::remove_file(path)
        }
    }
}

/// A task for each connection.
async fn serve(listener: UnixListener) -> io::Result<()> {
    let mut connections = listener.incoming();
    while let Some(stream) = connections.next().await {
        let stream = stream?;
        let peer = stream.peer_cred()?;
        println!("user {}, process {:?}", peer.uid(), peer.pid());
        // An error of one connection is nobody else's.
        filch::spawn(async move {
            if let Err(error) = echo(stream).await {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

/// Gives everything back until the end: to the sender, or into the file that came along.
async fn echo(mut stream: UnixStream) -> io::Result<()> {
    let mut room = [0; 4096];
    loop {
        let (count, mut fds) = stream.recv_with_fds(&mut room, 1).await?;
        if count == 0 {
            return Ok(());
        }
        match fds.pop() {
            Some(fd) => write_to(fd, room[..count].to_vec()).await?,
            None => stream.write_all(&room[..count]).await?,
        }
    }
}

/// A descriptor may be anything, and a write to it may block: so not on a worker.
async fn write_to(fd: OwnedFd, bytes: Vec<u8>) -> io::Result<()> {
    let write = filch::spawn_blocking(move || File::from(fd).write_all(&bytes));
    write.await?
}

/// A client.
async fn demonstrate(path: &Path) -> io::Result<()> {
    // While the server lives, its name is its own.
    let error = UnixListener::bind_replacing(path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    println!("{error}");

    let mut stream = UnixStream::connect(path).await?;
    stream.write_all(b"by the socket").await?;
    let mut answer = [0; 13];
    stream.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"by the socket");

    // A file without a name, which nobody else could open.
    let name = path.with_extension("answer");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&name)?;
    fs::remove_file(name)?;
    stream
        .send_with_fds(b"by the file", &[file.as_fd()])
        .await?;
    stream.close().await?;
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await?; // until the server has written, and closed the connection
    assert_eq!(rest, "");
    file.seek(SeekFrom::Start(0))?;
    let answer = io::read_to_string(file)?;
    assert_eq!(answer, "by the file");
    println!("{answer}");
    Ok(())
}
