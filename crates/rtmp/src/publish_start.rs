use amf0::Value;

use crate::{StreamName, Transport};

/// What a feathercast server says beside its yes, in the information object of
/// `NetStream.Publish.Start`: other publishers do not look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishStart {
    /// What viewers call the stream: the publisher may have given no name, or a key alone.
    pub name: StreamName,
    /// The port for viewers, on the host that the publisher has reached, where there is one.
    pub viewers: Option<ViewersPort>,
}

/// Where viewers connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewersPort {
    /// HTTP, or HTTPS.
    pub transport: Transport,
    /// TCP port.
    pub port: u16,
    /// What viewers find there.
    pub offer: ViewersOffer,
}

/// What there is for viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewersOffer {
    /// A page, `/watch/NAME`.
    Page,
    /// Playlists alone, `/stream/NAME.m3u8`.
    Playlists,
}

/// Not `details`, in which Flash Media Server repeats what was asked for, which may be a key.
const NAME: &str = "streamName";
const HTTP_PORT: &str = "httpPort";
const HTTPS_PORT: &str = "httpsPort";
const HAS_PAGE: &str = "watchPage";

impl PublishStart {
    pub(crate) fn properties(&self) -> Vec<(&'static str, Value)> {
        let mut properties = vec![(NAME, Value::from(self.name.as_str()))];
        if let Some(ViewersPort { transport, port, offer }) = self.viewers {
            let name = match transport {
                Transport::Tcp => HTTP_PORT,
                Transport::Tls => HTTPS_PORT,
            };
            properties.push((name, Value::Number(port.into())));
            properties.push((HAS_PAGE, Value::Boolean(offer == ViewersOffer::Page)));
        }
        properties
    }

    /// None of a server that is no feathercast, or says nothing of the kind.
    pub(crate) fn from_info(info: &Value) -> Option<Self> {
        let name = StreamName::parse(info.property(NAME)?.as_str()?).ok()?;
        let has_page = info.property(HAS_PAGE).and_then(Value::as_bool);
        let viewers = has_page.and_then(|has_page| {
            let offer = if has_page { ViewersOffer::Page } else { ViewersOffer::Playlists };
            let ports = [(Transport::Tcp, HTTP_PORT), (Transport::Tls, HTTPS_PORT)];
            let mut ports = ports.into_iter().filter_map(|(transport, property)| {
                let port = tcp_port(info.property(property)?.as_number()?)?;
                Some(ViewersPort { transport, port, offer })
            });
            ports.next()
        });
        Some(Self { name, viewers })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "in range, and it is checked to be whole"
)]
fn tcp_port(number: f64) -> Option<u16> {
    let is_port = number.fract() == 0.0 && (1.0..=f64::from(u16::MAX)).contains(&number);
    is_port.then_some(number as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::object;

    fn start(viewers: Option<ViewersPort>) -> PublishStart {
        PublishStart { name: StreamName::parse("cam").unwrap(), viewers }
    }

    #[test]
    fn what_is_said_is_understood() {
        let port = |transport, offer| Some(ViewersPort { transport, port: 8935, offer });
        for viewers in [
            None,
            port(Transport::Tcp, ViewersOffer::Page),
            port(Transport::Tls, ViewersOffer::Playlists),
        ] {
            let said = start(viewers);
            assert_eq!(PublishStart::from_info(&object(&said.properties())), Some(said));
        }
    }

    #[test]
    fn others_say_something_else_or_nothing() {
        let text = Value::from("a sentence, with blanks");
        for info in [Value::Null, object(&[]), object(&[(NAME, text)])] {
            assert_eq!(PublishStart::from_info(&info), None);
        }
        for port in [0.0, 80.5, 65_536.0, -1.0, f64::NAN] {
            let info = object(&[
                (NAME, Value::from("cam")),
                (HTTP_PORT, Value::Number(port)),
                (HAS_PAGE, Value::Boolean(true)),
            ]);
            assert_eq!(PublishStart::from_info(&info), Some(start(None)), "{port}");
        }
    }
}
