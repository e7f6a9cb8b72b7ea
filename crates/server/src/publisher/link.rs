//! One connection to the server: moves bytes between the socket and `rtmp::Client`.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use rtmp::{
    Client, ClientEvent, Limits, Message, PublishStart, PublishUrl, ServerRefusal, Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::socket::Socket;
use crate::tls::TlsClient;

/// From connecting to the server's yes; as long as servers wait for us.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for the server to take what we send.
const WRITE: Duration = Duration::from_secs(10);
/// Longest wait for the server to close when we are done.
const CLOSE: Duration = Duration::from_secs(1);
/// A server says little: pings, and acknowledgements now and then.
const READ_BYTES: usize = 4096;

/// A connection that publishes.
pub(crate) struct Link {
    socket: Socket<TcpStream>,
    rtmp: Client,
    input: BytesMut,
}

/// Why there is no connection any more, or none yet.
#[derive(Debug)]
pub(crate) enum Gone {
    /// No TCP connection, or no TLS in it.
    Unreachable(io::Error),
    /// It took too long, and at what.
    TimedOut(&'static str, Duration),
    /// Closed by the server, without a word.
    Closed {
        /// Whether it had said yes before.
        publishing: bool,
    },
    /// The connection broke.
    Io(io::Error),
    /// It is no RTMP, or broken.
    Protocol(rtmp::Error),
    /// The server says no, and why.
    Refused(ServerRefusal),
}

impl Link {
    /// Connects, and asks to publish until the server says yes.
    pub(crate) async fn open(url: &PublishUrl, tls: &TlsClient) -> Result<Self, Gone> {
        let opened = timeout(CONNECT, async {
            let socket = connect(url, tls).await.map_err(Gone::Unreachable)?;
            Self::publish(socket, url).await
        });
        opened.await.unwrap_or(Err(Gone::TimedOut("connecting", CONNECT)))
    }

    async fn publish(socket: Socket<TcpStream>, url: &PublishUrl) -> Result<Self, Gone> {
        let rtmp = Client::new(url.clone(), Limits::default()).map_err(Gone::Protocol)?;
        let mut link = Self { socket, rtmp, input: BytesMut::with_capacity(READ_BYTES) };
        while !link.rtmp.is_publishing() {
            link.transmit().await?;
            link.receive().await?;
        }
        Ok(link)
    }

    /// What a feathercast server said with its yes.
    pub(super) fn publish_start(&self) -> Option<&PublishStart> {
        self.rtmp.publish_start()
    }

    /// Gives a message to be sent by the next [`transmit`](Self::transmit).
    pub(crate) fn queue(&mut self, message: Message) -> Result<(), Gone> {
        self.rtmp.send(message).map_err(Gone::Protocol)
    }

    /// Sends what there is. Not to be continued when dropped half-way.
    pub(crate) async fn transmit(&mut self) -> Result<(), Gone> {
        while let Some(bytes) = self.rtmp.poll_transmit() {
            let write = async {
                self.socket.write_all(&bytes).await?;
                self.socket.flush().await
            };
            let written = timeout(WRITE, write).await;
            written.map_err(|_| Gone::TimedOut("sending", WRITE))?.map_err(Gone::Io)?;
        }
        Ok(())
    }

    /// Listens until the server is gone; what it wants to be answered waits for the next
    /// [`transmit`](Self::transmit), which is never far. May be dropped and called again at any
    /// time.
    pub(crate) async fn listen(&mut self) -> Gone {
        loop {
            if let Err(gone) = self.receive().await {
                return gone;
            }
        }
    }

    async fn receive(&mut self) -> Result<(), Gone> {
        self.input.clear();
        match self.socket.read_buf(&mut self.input).await.map_err(Gone::Io)? {
            0 => Err(Gone::Closed { publishing: self.rtmp.is_publishing() }),
            _ => {
                let handled = self.rtmp.handle_input(&self.input);
                while let Some(event) = self.rtmp.poll_event() {
                    if let ClientEvent::Refused(reason) = event {
                        return Err(Gone::Refused(reason));
                    }
                }
                handled.map_err(Gone::Protocol)
            }
        }
    }

    /// Says goodbye. The server closes then; whatever happens, the connection is over.
    pub(crate) async fn close(mut self) {
        let goodbye = async {
            let _ = self.rtmp.unpublish();
            self.transmit().await?;
            self.socket.shutdown().await.map_err(Gone::Io)?;
            // What is left unread when the socket closes makes TCP throw our last words away.
            self.listen().await;
            Ok::<_, Gone>(())
        };
        let _ = timeout(CLOSE, goodbye).await;
    }
}

async fn connect(url: &PublishUrl, tls: &TlsClient) -> io::Result<Socket<TcpStream>> {
    let socket = TcpStream::connect((url.host(), url.port())).await?;
    // Each message is due now, and the server waits for each command.
    socket.set_nodelay(true)?;
    match url.transport() {
        Transport::Tcp => Ok(Socket::Plain(socket)),
        Transport::Tls => tls.connect(url.host(), socket).await,
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "cannot connect: {error}"),
            Self::TimedOut(what, limit) => {
                write!(f, "{what} took longer than {} s", limit.as_secs())
            }
            Self::Closed { publishing: true } => f.write_str("the server closed the connection"),
            Self::Closed { publishing: false } => f.write_str(
                "the server closed the connection without a reason when asked to publish; it may not know the app or \
                 the key",
            ),
            Self::Io(error) => write!(f, "the connection broke: {error}"),
            Self::Protocol(error) => write!(f, "no RTMP that makes sense came back: {error}"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
        }
    }
}
