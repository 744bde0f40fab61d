//! Timers and streams in memory: does every tick and every byte come once?

use filch::io::duplex;
use filch::io::sim::{self, Faults};
use filch::sync::oneshot;
use filch::time::{Duration, Instant, advance, interval_at, sleep, timeout};
use filch_tests::cancel::{Case, Cut};
use filch_tests::cases;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::pin::pin;

pub(crate) const CASES: &[Case] = cases! {
    Simulated:
    "time::Sleep" => |cut| async move {
        let mut nap = pin!(sleep(HOUR));
        let until = nap.deadline();
        let got = cut.drive(nap.as_mut(), 2, async |_| advance(HOUR / 2).await).await;
        if got.is_none() {
            nap.await;
        }
        assert!(Instant::now() >= until);
    },
    "time::Sleep" => |cut| async move {
        // The sleep itself is dropped: its timer is gone, and nobody is woken in an hour.
        let until = Instant::now() + HOUR;
        cut.drive(sleep(HOUR), 2, async |_| advance(HOUR / 2).await).await;
        assert!(Instant::now() >= until);
    },
    "time::Timeout" => |cut| async move {
        let (sender, mut receiver) = oneshot::channel();
        let mut sender = Some(sender);
        let step = async |number| match number {
            0 => advance(HOUR).await,
            _ => sender.take().expect("once").send(7).unwrap(),
        };
        let got = cut.drive(timeout(HOUR, &mut receiver), 2, step).await;
        let value = match got {
            Some(Ok(value)) => value,
            Some(Err(_)) | None => receiver.await,
        };
        assert_eq!(value, Ok(7));
    },
    "time::Interval::tick" => |cut| async move {
        let start = Instant::now() + HOUR;
        let mut interval = interval_at(start, HOUR);
        let got = cut.drive(interval.tick(), 2, async |_| advance(HOUR).await).await;
        let mut ticks: Vec<_> = got.into_iter().collect();
        while ticks.len() < 3 {
            ticks.push(interval.tick().await);
        }
        assert_eq!(ticks, [start, start + HOUR, start + 2 * HOUR]);
    },
    "time::advance" => |cut| async move {
        let start = Instant::now();
        cut.drive(advance(HOUR), 1, async |_| ()).await;
        assert_eq!(start.elapsed() >= HOUR, cut.is_polled());
        assert!(start.elapsed() < 2 * HOUR);
    },
    "io::DuplexStream (read)" => |cut| async move {
        let (one, other) = duplex(2);
        read(cut, one, other).await;
    },
    "io::DuplexStream (write)" => |cut| async move {
        let (one, other) = duplex(2);
        write(cut, one, other, 2).await;
    },
    "io::sim::SimStream (read)" => |cut| async move {
        let (one, other) = sim::pair(Faults::new());
        read(cut, one, other).await;
    },
    "io::sim::SimStream (write)" => |cut| async move {
        let (one, other) = sim::pair(Faults::new().capacity(2));
        write(cut, one, other, 2).await;
    },
};

const HOUR: Duration = Duration::from_secs(3600);

/// Two bytes come, one after the other.
async fn read(cut: &Cut, mut reader: impl AsyncRead + Unpin, mut writer: impl AsyncWrite + Unpin) {
    let mut room = [0; 4];
    let step = async |number: usize| writer.write_all(&[number as u8]).await.unwrap();
    let got = cut.drive(reader.read(&mut room), 2, step).await;
    let mut bytes = room[..got.map_or(0, Result::unwrap)].to_vec();
    writer.close().await.unwrap();
    reader.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, [0, 1]);
}

/// There is no room until the other side reads.
async fn write(
    cut: &Cut,
    mut writer: impl AsyncWrite + Unpin,
    mut reader: impl AsyncRead + Unpin,
    capacity: usize,
) {
    writer.write_all(&vec![0; capacity]).await.unwrap();
    let mut bytes = Vec::new();
    let step = async |_| {
        let mut room = [0; 1];
        reader.read_exact(&mut room).await.unwrap();
        bytes.extend(room);
    };
    let got = cut.drive(writer.write(&[1, 1]), 2, step).await;
    let written = got.map_or(0, Result::unwrap);
    writer.close().await.unwrap();
    reader.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, [vec![0; capacity], vec![1; written]].concat());
}
