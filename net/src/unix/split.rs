//! How do two tasks share a stream, one for each direction?

use crate::byte_stream::{impl_async_read, impl_async_write};
use crate::halves::impl_halves;
use crate::unix::addr::SocketAddr;
use crate::unix::stream::UnixStream;
use futures_io::{AsyncRead, AsyncWrite};
use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

impl_halves!(UnixStream, SocketAddr);
