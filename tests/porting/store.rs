//! A server that keeps values by their keys: `set KEY VALUE`, `get KEY`, and `after N`, which waits until there have been more than so many changes.
//!
//! One task has the values. Connections send it commands by a channel, with another one for the answer; the number of changes is there for all to watch.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use futures_lite::StreamExt as _; use futures_lite::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use filch_net::{TcpListener, TcpStream};
use filch::runtime::Builder;
use filch::sync::{Semaphore, mpsc, oneshot, watch};
use filch::task::JoinSet;
use filch::time::{self, Duration, MissedTickBehavior};

const CONNECTIONS: usize = 100;

#[derive(Debug)]
enum Command {
    Get {
        key: String,
        answer: oneshot::Sender<Option<String>>,
    },
    Set {
        key: String,
        value: String,
        answer: oneshot::Sender<Option<String>>,
    },
}

fn main() -> io::Result<()> {
    let runtime = Builder::new().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:7009").await?;
        println!("listening on {}", listener.local_addr()?);
        serve(listener, filch_net::signal::ctrl_c()).await
    })
}

/// Until `shutdown` is done and those who are connected then have been given a second.
pub(crate) async fn serve(listener: TcpListener, shutdown: impl Future) -> io::Result<()> {
    let (commands, received) = mpsc::channel(32);
    let (changes, watched) = watch::channel(0);
    let keeper = filch::spawn(keep(received, changes));
    let reporter = filch::spawn(report(watched.clone()));
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    filch::pin!(shutdown);
    loop {
        let permit = room
            .clone()
            .acquire_owned()
            .await
            .expect("it is not closed");
        let stream = filch::select! {
            accepted = listener.accept() => accepted?.0,
            _ = &mut shutdown => break,
        };
        let (commands, watched) = (commands.clone(), watched.clone());
        connections.spawn(async move {
            let _permit = permit;
            answer(stream, commands, watched).await
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let all_end = async { while connections.join_next().await.is_some() {} };
    if time::timeout(Duration::from_secs(1), all_end)
        .await
        .is_err()
    {
        connections.abort_all();
        while connections.join_next().await.is_some() {}
    }
    reporter.abort();
    assert!(reporter.await.unwrap_err().is_cancelled());
    drop(commands);
    let values = keeper.await?;
    println!("{} values at the end", values.len());
    Ok(())
}

async fn keep(
    mut commands: mpsc::Receiver<Command>,
    changes: watch::Sender<u64>,
) -> HashMap<String, String> {
    let mut values = HashMap::new();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Get { key, answer } => {
                // Whoever has asked may have gone.
                let _ = answer.send(values.get(&key).cloned());
            }
            Command::Set { key, value, answer } => {
                let old = values.insert(key, value);
                changes.send_modify(|count| *count += 1);
                let _ = answer.send(old);
            }
        }
    }
    values
}

async fn report(changes: watch::Receiver<u64>) {
    let mut ticks = time::interval(Duration::from_secs(60));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        println!("{} changes until now", *changes.borrow());
    }
}

async fn answer(
    stream: TcpStream,
    commands: mpsc::Sender<Command>,
    mut changes: watch::Receiver<u64>,
) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.try_next().await? {
        let words: Vec<_> = line.split_whitespace().collect();
        let text = match words[..] {
            ["get", key] => {
                ask(&commands, |answer| Command::Get {
                    key: key.to_owned(),
                    answer,
                })
                .await?
            }
            ["set", key, value] => {
                let (key, value) = (key.to_owned(), value.to_owned());
                ask(&commands, |answer| Command::Set { key, value, answer }).await?
            }
            ["after", count] => {
                let count = count.parse().map_err(io::Error::other)?;
                let changed = changes.wait_for(|changes| *changes > count).await;
                changed.map_err(io::Error::other)?.to_string()
            }
            _ => "what?".to_owned(),
        };
        writer.write_all(format!("{text}\n").as_bytes()).await?;
    }
    Ok(())
}

async fn ask(
    commands: &mpsc::Sender<Command>,
    command: impl FnOnce(oneshot::Sender<Option<String>>) -> Command,
) -> io::Result<String> {
    let (sender, answer) = oneshot::channel();
    commands
        .send(command(sender))
        .await
        .map_err(io::Error::other)?;
    let value = answer.await.map_err(io::Error::other)?;
    Ok(value.unwrap_or_else(|| "nothing".to_owned()))
}
