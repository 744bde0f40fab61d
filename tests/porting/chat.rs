//! A chat server: who connects says a name, and then whatever is to be said to all the others.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use futures_lite::StreamExt as _; use futures_lite::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use filch_net::{TcpListener, TcpStream};
use filch::sync::mpsc::{self, UnboundedSender};
use filch::sync::{Mutex, Notify};

#[derive(Default)]
pub(crate) struct Room {
    members: Mutex<HashMap<SocketAddr, UnboundedSender<String>>>,
    is_closing: Notify,
}

#[filch::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:7008").await?;
    println!("listening on {}", listener.local_addr()?);
    let room = Arc::new(Room::default());
    let server = filch::spawn(serve(listener, room.clone()));
    filch_net::signal::ctrl_c().await?;
    room.close();
    server.await?
}

/// Until the room is closed.
pub(crate) async fn serve(listener: TcpListener, room: Arc<Room>) -> io::Result<()> {
    let is_closing = room.is_closing.notified();
    filch::pin!(is_closing);
    loop {
        filch::select! {
            accepted = listener.accept() => {
                let (stream, peer) = accepted?;
                let room = room.clone();
                filch::spawn(async move {
                    let result = take_part(stream, peer, &room).await;
                    room.members.lock().await.remove(&peer);
                    result
                });
            }
            () = &mut is_closing => break,
        }
    }
    // Without senders each member's task ends.
    room.members.lock().await.clear();
    Ok(())
}

async fn take_part(stream: TcpStream, peer: SocketAddr, room: &Room) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"your name?\n").await?;
    let Some(name) = lines.try_next().await? else {
        return Ok(());
    };
    let mut messages = room.join(peer, &name).await;
    loop {
        filch::select! {
            line = lines.try_next() => match line? {
                Some(line) => room.tell(peer, format!("{name}: {line}\n")).await,
                None => break,
            },
            message = messages.recv() => match message {
                Some(message) => writer.write_all(message.as_bytes()).await?,
                None => return writer.close().await,
            },
        }
    }
    room.tell(peer, format!("{name} has left\n")).await;
    Ok(())
}

impl Room {
    pub(crate) fn close(&self) {
        self.is_closing.notify_one();
    }

    async fn join(&self, peer: SocketAddr, name: &str) -> mpsc::UnboundedReceiver<String> {
        let (sender, messages) = mpsc::unbounded_channel();
        let _ = sender.send("welcome\n".to_owned());
        self.members.lock().await.insert(peer, sender);
        self.tell(peer, format!("{name} is here\n")).await;
        messages
    }

    async fn tell(&self, from: SocketAddr, message: String) {
        let members = self.members.lock().await;
        for (_, sender) in members.iter().filter(|member| *member.0 != from) {
            // Who has just gone is removed soon.
            let _ = sender.send(message.clone());
        }
    }
}
