//! Names that both have.

pub(crate) use filch_net::fs::{
    self, DirBuilder, DirEntry, File, OpenOptions, ReadDir, canonicalize, copy, create_dir,
    create_dir_all, hard_link, metadata, read, read_dir, read_link, read_to_string, remove_dir,
    remove_dir_all, remove_file, rename, set_permissions, symlink, symlink_metadata, try_exists,
    write,
};
pub(crate) use filch_net::io::stderr;
pub(crate) use filch_net::io::stdin;
pub(crate) use filch_net::io::stdout;
pub(crate) use filch_net::tcp::{
    OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf,
};
pub(crate) use filch_net::unix::{
    OwnedReadHalf as UnixOwnedReadHalf, OwnedWriteHalf as UnixOwnedWriteHalf,
    ReadHalf as UnixReadHalf, ReuniteError as UnixReuniteError, SocketAddr as UnixSocketAddr,
    UCred, WriteHalf as UnixWriteHalf,
};
pub(crate) use filch_net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host};
pub(crate) use filch::runtime::{Builder, EnterGuard, Handle, Runtime, RuntimeMetrics};
pub(crate) use filch_net::UdpSocket;
pub(crate) use filch_net::{UnixDatagram, UnixListener, UnixStream};
pub(crate) use filch_net::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
pub(crate) use filch_net::signal::ctrl_c;
pub(crate) use filch_net::signal::unix::{Signal, SignalKind, signal};
pub(crate) use filch::sync::broadcast::{
    self, Receiver as BroadcastReceiver, Sender as BroadcastSender,
    WeakSender as WeakBroadcastSender,
};
pub(crate) use filch::sync::mpsc::{
    self, OwnedPermit, Permit, PermitIterator, Receiver, Sender, UnboundedReceiver,
    UnboundedSender, WeakSender, WeakUnboundedSender, unbounded_channel,
};
pub(crate) use filch::sync::futures::{Notified, OwnedNotified};
pub(crate) use filch::sync::oneshot::{self, Receiver as OneshotReceiver, Sender as OneshotSender};
pub(crate) use filch::sync::watch::{self, Receiver as WatchReceiver, Ref, Sender as WatchSender};
pub(crate) use filch::sync::{
    AcquireError, Barrier, BarrierWaitResult, MappedMutexGuard, Mutex, MutexGuard, Notify,
    OnceCell, OwnedMappedMutexGuard, OwnedMutexGuard, OwnedRwLockMappedWriteGuard,
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock,
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit,
    SetError, SetOnce, SetOnceError, TryAcquireError, TryLockError,
};
pub(crate) use filch::task::{
    self, AbortHandle, Id, JoinError, JoinHandle, JoinSet, LocalKey, block_in_place, id,
    spawn_blocking, spawn_local, try_id, yield_now,
};
pub(crate) use filch::time::{
    self, Duration, Instant, Interval, MissedTickBehavior, Sleep, Timeout, advance, interval,
    interval_at, pause, resume, sleep, sleep_until, timeout, timeout_at,
};
pub(crate) use filch::{join, main, pin, select, spawn, task_local, test, try_join};

pub(crate) mod errors {
    //! Those that are called the same in several places.

    pub(crate) use filch::sync::broadcast::error::{
        RecvError as BroadcastRecvError, SendError as BroadcastSendError,
        TryRecvError as BroadcastTryRecvError,
    };
    pub(crate) use filch::sync::mpsc::error::{
        SendError, SendTimeoutError, TryRecvError, TrySendError,
    };
    pub(crate) use filch::sync::oneshot::error::{
        RecvError as OneshotRecvError, TryRecvError as OneshotTryRecvError,
    };
    pub(crate) use filch::sync::watch::error::{
        RecvError as WatchRecvError, SendError as WatchSendError,
    };
    pub(crate) use filch::time::error::Elapsed;
}
