use amf0::Value;

/// The commands that we understand (RTMP section 7.2, and what Flash Media Server added); all
/// others are skipped without reading their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Connect,
    CreateStream,
    ReleaseStream,
    FcPublish,
    Publish,
    FcUnpublish,
    CloseStream,
    DeleteStream,
    Play,
    CheckBandwidth,
    GetStreamLength,
}

impl Verb {
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::CreateStream => "createStream",
            Self::ReleaseStream => "releaseStream",
            Self::FcPublish => "FCPublish",
            Self::Publish => "publish",
            Self::FcUnpublish => "FCUnpublish",
            Self::CloseStream => "closeStream",
            Self::DeleteStream => "deleteStream",
            Self::Play => "play",
            Self::CheckBandwidth => "_checkbw",
            Self::GetStreamLength => "getStreamLength",
        }
    }

    const ALL: [Self; 11] = [
        Self::Connect,
        Self::CreateStream,
        Self::ReleaseStream,
        Self::FcPublish,
        Self::Publish,
        Self::FcUnpublish,
        Self::CloseStream,
        Self::DeleteStream,
        Self::Play,
        Self::CheckBandwidth,
        Self::GetStreamLength,
    ];
}

/// A command message: name, transaction id, command object, arguments. Clients leave any of the
/// last three out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Command {
    pub(crate) verb: Verb,
    transaction: f64,
    object: Value,
    argument: Value,
}

impl Command {
    /// `None`: nothing that we understand. Arguments behind the first mean nothing to us and are
    /// not read: some are AMF3.
    ///
    /// # Errors
    /// When it is a command that we understand and its values cannot be read.
    pub(crate) fn parse(
        payload: &[u8],
        limits: &amf0::Limits,
    ) -> Result<Option<Self>, (Verb, amf0::Error)> {
        let Some((verb, values)) = parse_name(payload, limits) else { return Ok(None) };
        let mut values =
            amf0::decode_first(3, values, limits).map_err(|error| (verb, error))?.into_iter();
        let transaction = values.next().and_then(|value| value.as_number()).unwrap_or(0.0);
        let object = values.next().unwrap_or(Value::Null);
        let argument = values.next().unwrap_or(Value::Null);
        Ok(Some(Self { verb, transaction, object, argument }))
    }

    /// 0: the sender does not want an answer.
    pub(crate) fn transaction(&self) -> Option<f64> {
        (self.transaction != 0.0).then_some(self.transaction)
    }

    /// A text property of the command object, empty if there is none.
    pub(crate) fn property(&self, name: &str) -> &str {
        self.object.property(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether the command object has a property of this name, of any type.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.property(name).is_some()
    }

    /// The first argument behind the command object.
    pub(crate) fn argument(&self) -> &Value {
        &self.argument
    }
}

fn parse_name<'a>(payload: &'a [u8], limits: &amf0::Limits) -> Option<(Verb, &'a [u8])> {
    let (name, length) = amf0::decode(payload, limits).ok()?;
    let verb = Verb::from_name(name.as_str()?)?;
    Some((verb, payload.get(length..)?))
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn parse(payload: &[u8]) -> Result<Option<Command>, (Verb, amf0::Error)> {
        Command::parse(payload, &crate::Limits::default().amf)
    }

    const PUBLISH: [u8; 10] = hex!("02 0007 7075626c697368");

    #[test]
    fn section_7_2_2_6_publish_with_everything() {
        let values = hex!("00 4010000000000000 05 02 0003 666f6f 02 0004 6c697665");
        let command = parse(&[&PUBLISH[..], &values].concat()).unwrap().unwrap();
        assert_eq!((command.verb, command.transaction()), (Verb::Publish, Some(4.0)));
        assert_eq!(command.argument().as_str(), Some("foo"));
    }

    #[test]
    fn values_may_be_missing_or_of_any_type() {
        let tails: [&[u8]; 6] = [
            &[],
            &hex!("00 0000000000000000"),
            &hex!("05"),
            &hex!("02 0000 05 06"),
            &hex!("06 06 06 06 06 06"),
            &hex!("01 00 0a 00000000"),
        ];
        for tail in tails {
            let command = parse(&[&PUBLISH[..], tail].concat()).unwrap().unwrap();
            assert_eq!(command.transaction(), None);
            assert_eq!(command.argument().as_str(), None);
            assert_eq!(command.property("app"), "");
        }
    }

    #[test]
    fn what_is_no_known_command_is_none_and_its_values_are_not_read() {
        let unknown_with_amf3 = hex!("02 0003 666f6f 11 0a 0b 01");
        let payloads: [&[u8]; 5] =
            [&[], &hex!("05"), &hex!("00 00"), &hex!("02 ffff 61"), &unknown_with_amf3];
        for payload in payloads {
            assert_eq!(parse(payload), Ok(None), "{payload:02x?}");
        }
    }

    #[test]
    fn values_of_a_known_command_must_be_amf0() {
        let (verb, error) = parse(&[&PUBLISH[..], &hex!("00 4010")].concat()).unwrap_err();
        assert_eq!(verb, Verb::Publish);
        assert_eq!(error, amf0::Error::Truncated { position: 3, missing: 6 });
    }

    #[test]
    fn every_verb_is_found_by_its_name() {
        for verb in Verb::ALL {
            assert_eq!(Verb::from_name(verb.name()), Some(verb));
        }
        assert_eq!(Verb::from_name("Publish"), None);
    }
}
