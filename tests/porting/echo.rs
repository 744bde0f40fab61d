//! An echo server: each connection gets its bytes back, until it has been idle for a minute.

use std::io;
use futures_lite::io::{AsyncReadExt, AsyncWriteExt};
use filch_net::{TcpListener, TcpStream};
use filch::time::{Duration, timeout};

const IDLE: Duration = Duration::from_secs(60);

#[filch::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:7007").await?;
    println!("listening on {}", listener.local_addr()?);
    filch::select! {
        result = serve(listener) => result,
        _ = filch_net::signal::ctrl_c() => Ok(()),
    }
}

pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        filch::spawn(async move {
            if let Err(error) = echo(stream).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 4096];
    loop {
        let count = timeout(IDLE, stream.read(&mut buffer)).await??;
        if count == 0 {
            return stream.close().await;
        }
        stream.write_all(&buffer[..count]).await?;
    }
}
