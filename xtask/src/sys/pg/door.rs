//! Connects to a server over TCP, with or without TLS, and reads which process the server announces for cancelling,
//! which the `postgres` crate does not tell. If another process answers, a connection pooler stands between; no session
//! of its own is needed to find that out.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use postgres::config::SslMode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

type Failed = Box<dyn Error + Send + Sync>;
type Opening = Pin<Box<dyn Future<Output = Result<Heard, Failed>> + Send>>;
type Rustls = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;

/// A request for TLS, as it is written.
const ASK_FOR_TLS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// A message that tells the process and a key to cancel by.
const BACKEND_KEY: u8 = b'K';
/// The start-up is over.
const READY: u8 = b'Z';

/// See the file's head. A connection that cancels goes through it as well.
#[derive(Clone)]
pub(super) struct Door {
    tls: Option<MakeRustlsConnect>,
    mode: SslMode,
    announced: Arc<Mutex<Option<i32>>>,
}

impl Door {
    pub fn new(tls: Option<&MakeRustlsConnect>, mode: SslMode) -> Door {
        Door { tls: tls.cloned(), mode, announced: Arc::default() }
    }

    /// The process that the last connection through here was told: a name may stand for several servers, of which one lets us in.
    pub fn announced(&self) -> Option<i32> {
        *self.announced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MakeTlsConnect<Socket> for Door {
    type Stream = Heard;
    type TlsConnect = Threshold;
    type Error = Failed;

    fn make_tls_connect(&mut self, host: &str) -> Result<Threshold, Failed> {
        let is_wanted = self.mode != SslMode::Disable;
        let tls = self.tls.as_mut().filter(|_| is_wanted);
        let tls = tls.map(|tls| MakeTlsConnect::<Socket>::make_tls_connect(tls, host)).transpose()?;
        Ok(Threshold { tls, must: self.mode == SslMode::Require, announced: Arc::clone(&self.announced) })
    }
}

/// A door for one connection.
pub(super) struct Threshold {
    tls: Option<Rustls>,
    must: bool,
    announced: Arc<Mutex<Option<i32>>>,
}

impl TlsConnect<Socket> for Threshold {
    type Stream = Heard;
    type Error = Failed;
    type Future = Opening;

    fn connect(self, mut socket: Socket) -> Opening {
        Box::pin(async move {
            let stream: Box<dyn TlsStream + Send + Unpin> = match self.tls {
                Some(tls) if asked(&mut socket).await? => Box::new(tls.connect(socket).await?),
                _ if self.must => return Err("server does not support TLS".into()),
                _ => Box::new(Plain(socket)),
            };
            let ears = Ears { announced: self.announced, ..Ears::default() };
            Ok(Heard { stream, ears })
        })
    }
}

/// Whether the server speaks TLS.
async fn asked(socket: &mut Socket) -> Result<bool, Failed> {
    socket.write_all(&ASK_FOR_TLS).await.map_err(Unanswered)?;
    match socket.read_u8().await.map_err(Unanswered)? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        other => Err(format!("the server answers the request for it with {:?}", char::from(other)).into()),
    }
}

/// The connection broke before there was any TLS.
#[derive(Debug)]
pub(super) struct Unanswered(std::io::Error);

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Unanswered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// A connection that is listened to until the start-up is over.
pub(super) struct Heard {
    stream: Box<dyn TlsStream + Send + Unpin>,
    ears: Ears,
}

/// Where in the server's messages we are: kind, length, content.
#[derive(Default)]
struct Ears {
    announced: Arc<Mutex<Option<i32>>>,
    message: Vec<u8>,
    is_over: bool,
}

impl Ears {
    fn hear(&mut self, mut bytes: &[u8]) {
        while !self.is_over && !bytes.is_empty() {
            let wanted = match self.message.get(1..5).and_then(|length| length.first_chunk::<4>()) {
                Some(length) => 1 + usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX).min(1 << 20),
                None => 5,
            };
            let (now, later) = bytes.split_at(wanted.saturating_sub(self.message.len()).min(bytes.len()));
            self.message.extend_from_slice(now);
            bytes = later;
            if self.message.len() > 5 && self.message.len() == wanted || self.is_empty_message() {
                self.understand();
            }
        }
    }

    fn is_empty_message(&self) -> bool {
        self.message.len() == 5 && self.message[1..4] == [0; 3] && self.message[4] <= 4
    }

    fn understand(&mut self) {
        let message = std::mem::take(&mut self.message);
        if message[0] == BACKEND_KEY
            && let Some(process) = message.get(5..).and_then(|content| content.first_chunk::<4>())
        {
            *self.announced.lock().unwrap_or_else(PoisonError::into_inner) = Some(i32::from_be_bytes(*process));
        }
        self.is_over = matches!(message[0], BACKEND_KEY | READY);
    }
}

impl TlsStream for Heard {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

impl AsyncRead for Heard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut *self.stream).poll_read(cx, buf);
        if !self.ears.is_over {
            self.ears.hear(&buf.filled()[before..]);
        }
        read
    }
}

impl AsyncWrite for Heard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }
}

/// A connection without TLS.
struct Plain(Socket);

impl TlsStream for Plain {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Plain {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Plain {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announced_process_is_heard_however_the_bytes_come() {
        let ok = [b'R', 0, 0, 0, 8, 0, 0, 0, 0];
        let parameter = [b'S', 0, 0, 0, 8, b'a', 0, b'b', 0];
        let key = [b'K', 0, 0, 0, 12, 0, 0, 18, 103, 1, 2, 3, 4];
        let bytes = [&ok[..], &parameter, &[b'n', 0, 0, 0, 4], &key, &[b'Z', 0, 0, 0, 5, b'I']].concat();
        for size in 1..=bytes.len() {
            let mut ears = Ears::default();
            bytes.chunks(size).for_each(|chunk| ears.hear(chunk));
            assert_eq!((*ears.announced.lock().unwrap(), ears.is_over), (Some(4711), true), "{size}");
        }
    }

    #[test]
    fn what_is_no_postgresql_is_heard_to_its_end() {
        let mut ears = Ears::default();
        ears.hear(&[0; 16]);
        assert_eq!(*ears.announced.lock().unwrap(), None);
    }
}
