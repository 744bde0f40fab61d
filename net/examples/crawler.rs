//! A crawler: follows the links of a site, with a limit on how many pages are under way at once.
//!
//! ```text
//! cargo run -p filch-net --example crawler
//! ```
//!
//! The site is made up and served by the program itself on a free port of the loopback device: a client sends the number of a page and gets the numbers of the pages it links to.

use filch::task::JoinSet;
use filch::time::{Duration, sleep};
use filch_net::{TcpListener, TcpStream};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const PAGES: u32 = 300;
const AT_ONCE: usize = 8;

#[filch::main]
pub(crate) async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let site = listener.local_addr()?;
    let load = Arc::new(Load::default());
    let server = filch::spawn(serve(listener, load.clone()));

    let (seen, most) = crawl(site).await?;
    server.abort();

    let served = load.most.load(Ordering::Relaxed);
    println!(
        "{} pages; at most {most} were asked for at once, and {served} served",
        seen.len()
    );
    assert_eq!(seen, (0..PAGES).collect(), "every page, and each once");
    assert_eq!(most, AT_ONCE, "the limit was reached");
    assert!(served <= AT_ONCE, "and kept, as the site saw it");
    assert_eq!(load.all.load(Ordering::Relaxed), PAGES as usize);
    Ok(())
}

/// Every page that can be reached from page 0, and how many were under way at once at most.
async fn crawl(site: SocketAddr) -> io::Result<(BTreeSet<u32>, usize)> {
    let mut seen = BTreeSet::from([0]);
    let mut to_do = VecDeque::from([0]);
    let mut under_way = JoinSet::new();
    let mut most = 0;
    loop {
        while under_way.len() < AT_ONCE {
            let Some(page) = to_do.pop_front() else { break };
            under_way.spawn(fetch(site, page));
        }
        most = most.max(under_way.len());
        // Dropping the set, as `?` does here, cancels those that are still under way.
        match under_way.join_next().await {
            Some(links) => to_do.extend(links??.into_iter().filter(|&link| seen.insert(link))),
            None => return Ok((seen, most)),
        }
    }
}

/// The links of one page.
async fn fetch(site: SocketAddr, page: u32) -> io::Result<Vec<u32>> {
    let mut stream = TcpStream::connect(site).await?;
    stream.write_all(&page.to_be_bytes()).await?;
    let mut links = String::new();
    stream.read_to_string(&mut links).await?;
    let links = links.split_whitespace().map(str::parse);
    links
        .collect::<Result<_, _>>()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// How many requests the site had.
#[derive(Default)]
struct Load {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

async fn serve(listener: TcpListener, load: Arc<Load>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        filch::spawn(answer(stream, load.clone()));
    }
}

async fn answer(mut stream: TcpStream, load: Arc<Load>) -> io::Result<()> {
    let now = load.now.fetch_add(1, Ordering::Relaxed) + 1;
    load.most.fetch_max(now, Ordering::Relaxed);
    load.all.fetch_add(1, Ordering::Relaxed);

    let mut page = [0; 4];
    stream.read_exact(&mut page).await?;
    let page = u32::from_be_bytes(page);
    sleep(Duration::from_millis(1)).await; // as if it had to be looked up
    // A tree, with a link across the site on every page.
    let links = [2 * page + 1, 2 * page + 2, page * 7 % PAGES];
    let links: Vec<_> = links
        .iter()
        .filter(|&&link| link < PAGES)
        .map(u32::to_string)
        .collect();
    stream.write_all(links.join(" ").as_bytes()).await?;

    // Before the connection ends, which is what the client waits for.
    load.now.fetch_sub(1, Ordering::Relaxed);
    Ok(())
}
