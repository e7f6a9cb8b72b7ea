//! The settings of `serve` as they are written down: on the command line, in the environment, in
//! the TOML file. What they mean is read in [`config`](crate::config).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use toml::de::{DeArray, DeTable, DeValue};

/// What the names of our environment variables begin with.
const PREFIX: &str = "FEATHERCAST_";

/// Names the file: a flag and a variable, but no key.
const CONFIG: &str = "config";

/// Variables of this project's own tests, which start the binary.
const VARIABLES_OF_TESTS: [&str; 4] = [
    "FEATHERCAST_NOT_RUN",
    "FEATHERCAST_SWEEP_DRAWS",
    "FEATHERCAST_SWEEP_SEED",
    "FEATHERCAST_VECTORS",
];

/// Variables that images, compose files and units have for what they start, whatever it is.
const VARIABLES_OF_DEPLOYMENTS: [&str; 6] = [
    "FEATHERCAST_ARGS",
    "FEATHERCAST_IMAGE",
    "FEATHERCAST_NAME",
    "FEATHERCAST_OPTS",
    "FEATHERCAST_TAG",
    "FEATHERCAST_VERSION",
];

/// A setting of `serve`: a flag, an environment variable and a key of the file.
pub(crate) struct Setting {
    /// The flag without its two dashes.
    pub(crate) name: &'static str,
    /// How its value is written.
    pub(crate) form: Form,
    /// What it stands under in `--help`.
    heading: &'static str,
    value_name: &'static str,
    help: &'static str,
}

const ADDRESSES: &str = "Addresses";
const TLS: &str = "TLS";
const OPERATOR: &str = "The operator";
const RENDITIONS: &str = "Renditions and segments";
const PUBLISHERS: &str = "Publishers";
const VIEWERS: &str = "Viewers";
const PROCESS: &str = "Memory and log";

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A text.
    Text,
    /// Texts with commas between; in the file also an array of them.
    List,
    /// A whole number.
    Number,
    /// `true` or `false`; a flag alone is `true`.
    Switch,
    /// A whole number; on the command line the flag as many times.
    Count,
    /// A secret, or its SHA-256.
    Digest,
    /// A secret of which the SHA-256 would not do.
    Secret,
    /// Names with a secret each, or its SHA-256.
    Keys,
    /// Names with a URL each, in which there may be a secret.
    Forwards,
}

/// Every setting, in the order in which people are shown them.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        name: "rtmp-addr",
        form: Form::Text,
        heading: ADDRESSES,
        value_name: "ADDR",
        help: "Where publishers connect by RTMP [default: 0.0.0.0:1935]",
    },
    Setting {
        name: "http-addr",
        form: Form::Text,
        heading: ADDRESSES,
        value_name: "ADDR",
        help: "Where viewers fetch HLS [default: 0.0.0.0:8935]",
    },
    Setting {
        name: "tls-cert",
        form: Form::Text,
        heading: TLS,
        value_name: "FILE.pem",
        help: "Certificate chain, in PEM: gives RTMPS and HTTPS beside RTMP and HTTP; read again when \
               it changes",
    },
    Setting {
        name: "tls-key",
        form: Form::Text,
        heading: TLS,
        value_name: "FILE.pem",
        help: "The certificate's private key, in PEM",
    },
    Setting {
        name: "acme",
        form: Form::List,
        heading: TLS,
        value_name: "DOMAIN,...",
        help: "Instead of files: have certificates for these names, comma-separated, from an \
               authority by ACME, and agree to its terms. It must reach --https-addr on port 443, or \
               --http-addr on port 80",
    },
    Setting {
        name: "acme-folder",
        form: Form::Text,
        heading: TLS,
        value_name: "DIR",
        help: "With --acme: where the account and the certificates are kept [default: acme]",
    },
    Setting {
        name: "acme-directory",
        form: Form::Text,
        heading: TLS,
        value_name: "URL",
        help: "With --acme: the authority [default: https://acme-v02.api.letsencrypt.org/directory]",
    },
    Setting {
        name: "acme-ca",
        form: Form::Text,
        heading: TLS,
        value_name: "FILE.pem",
        help: "With --acme: trust the certificates in this PEM file, instead of Mozilla's, for the \
               authority's own server",
    },
    Setting {
        name: "rtmps-addr",
        form: Form::Text,
        heading: TLS,
        value_name: "ADDR",
        help: "With a certificate: where publishers connect by RTMPS [default: 0.0.0.0:1936]",
    },
    Setting {
        name: "https-addr",
        form: Form::Text,
        heading: TLS,
        value_name: "ADDR",
        help: "With a certificate: where viewers fetch HLS by HTTPS, HTTP/2 or 1.1 [default: \
               0.0.0.0:8936]",
    },
    Setting {
        name: "trusted-proxies",
        form: Form::List,
        heading: ADDRESSES,
        value_name: "LIST",
        help: "Proxies whose word counts on where connections and requests are from: addresses and \
               networks, comma-separated",
    },
    Setting {
        name: "admin-addr",
        form: Form::Text,
        heading: OPERATOR,
        value_name: "ADDR",
        help: "Where the operator gets /status and /metrics [default: 127.0.0.1:7935]",
    },
    Setting {
        name: "admin-token",
        form: Form::Digest,
        heading: OPERATOR,
        value_name: "TOKEN",
        help: "Token that the operator shows as `Authorization: Bearer TOKEN`, or sha256:HEX of it; \
               needed where --admin-addr is not loopback (better set by environment or file)",
    },
    Setting {
        name: "admin-hosts",
        form: Form::List,
        heading: OPERATOR,
        value_name: "NAME,...",
        help: "Names, comma-separated, that the operator's port may be asked by besides addresses and \
               localhost",
    },
    Setting {
        name: "event-webhook",
        form: Form::Secret,
        heading: OPERATOR,
        value_name: "URL",
        help: "URL that is told by POST, in JSON, when a stream starts, stops or gets worse",
    },
    Setting {
        name: "event-webhook-secret",
        form: Form::Secret,
        heading: OPERATOR,
        value_name: "SECRET",
        help: "With --event-webhook: secret that events are signed with, HMAC-SHA256 (better set by \
               environment or file)",
    },
    Setting {
        name: "renditions",
        form: Form::List,
        heading: RENDITIONS,
        value_name: "LIST|FILE.json",
        help: "Presets, comma-separated, or a JSON file; empty passes the source through only \
               [default: P144p30fps16x9,P144p15fps16x9,P90p10fps16x9,audio]",
    },
    Setting {
        name: "transcode",
        form: Form::Text,
        heading: RENDITIONS,
        value_name: "WHEN",
        help: "When renditions are made: on-demand (while somebody fetches them) or always [default: \
               on-demand]",
    },
    Setting {
        name: "decoder",
        form: Form::Text,
        heading: RENDITIONS,
        value_name: "DECODER",
        help: "Whose H.264 decoder: native (our own) or openh264, for comparison [default: native]",
    },
    Setting {
        name: "current-manifest",
        form: Form::Switch,
        heading: VIEWERS,
        value_name: "BOOL",
        help: "Serve the newest live stream as /stream/current.m3u8",
    },
    Setting {
        name: "no-page",
        form: Form::Switch,
        heading: VIEWERS,
        value_name: "BOOL",
        help: "Serve no pages: no list of streams at /, no /watch/NAME",
    },
    Setting {
        name: "unlisted",
        form: Form::Switch,
        heading: VIEWERS,
        value_name: "BOOL",
        help: "List no streams, neither at / nor in /index.m3u8 and /streams.json: who knows a name \
               watches at /watch/NAME",
    },
    Setting {
        name: "segment-duration",
        form: Form::Text,
        heading: RENDITIONS,
        value_name: "TIME",
        help: "Length of a segment, 1s to 10s [default: 2s]",
    },
    Setting {
        name: "playlist-segments",
        form: Form::Number,
        heading: RENDITIONS,
        value_name: "N",
        help: "Segments a playlist lists, 6 to 60 [default: 6]",
    },
    Setting {
        name: "max-streams",
        form: Form::Number,
        heading: PUBLISHERS,
        value_name: "N",
        help: "Publishers at once [default: 10]",
    },
    Setting {
        name: "auth-webhook",
        form: Form::Secret,
        heading: PUBLISHERS,
        value_name: "URL",
        help: "URL that is asked by POST whether somebody may publish (MediaMTX's contract; any 2xx \
               allows)",
    },
    Setting {
        name: "forward",
        form: Form::Forwards,
        heading: PUBLISHERS,
        value_name: "NAME=URL,...",
        help: "Streams that go on to other servers while they are live, NAME=rtmp[s]://HOST/APP/KEY,...; \
               a name may be there several times (better set by environment or file)",
    },
    Setting {
        name: "viewer-secret",
        form: Form::Secret,
        heading: VIEWERS,
        value_name: "SECRET",
        help: "Secret that viewers' tokens are made with; without a token (`feathercast token NAME \
               --for 2h`) nobody watches then (better set by environment or file)",
    },
    Setting {
        name: "viewers-max",
        form: Form::Number,
        heading: VIEWERS,
        value_name: "N",
        help: "Viewers at once; who comes later is told to come again (503) [default: as many as \
               connections allow]",
    },
    Setting {
        name: "memory",
        form: Form::Text,
        heading: PROCESS,
        value_name: "SIZE",
        help: "Memory that the process may use, for example 512M or 2G [default: half of the \
               machine's or the container's]",
    },
    Setting {
        name: "publish-key",
        form: Form::Digest,
        heading: PUBLISHERS,
        value_name: "KEY",
        help: "Key that publishers must give: rtmp://host/NAME/KEY, or sha256:HEX of it (better set by \
               environment or file: others see flags)",
    },
    Setting {
        name: "keys",
        form: Form::Keys,
        heading: PUBLISHERS,
        value_name: "NAME=KEY,...",
        help: "Names with a key of their own, NAME=KEY,... (`feathercast key new NAME` makes one); \
               with it no other name may publish without a key",
    },
    Setting {
        name: "allow-unlisted",
        form: Form::Switch,
        heading: PUBLISHERS,
        value_name: "BOOL",
        help: "With --keys: let names that are not listed publish all the same",
    },
    Setting {
        name: "log-format",
        form: Form::Text,
        heading: PROCESS,
        value_name: "FORMAT",
        help: "Log as text for people or as one JSON object a line [default: text]",
    },
    Setting {
        name: "verbose",
        form: Form::Count,
        heading: PROCESS,
        value_name: "N",
        help: "Log more: -v debug, -vv trace",
    },
];

impl Setting {
    /// Its key in the file.
    pub(crate) fn key(&self) -> String {
        key(self.name)
    }

    fn is_secret(&self) -> bool {
        matches!(self.form, Form::Digest | Form::Secret | Form::Keys | Form::Forwards)
    }

    fn arg(&self) -> Arg {
        let arg = Arg::new(self.name).long(self.name).help(self.help).help_heading(self.heading);
        match self.form {
            Form::Count => arg.short('v').action(ArgAction::Count),
            Form::Switch => arg
                .value_name(self.value_name)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true"),
            _ => arg.value_name(self.value_name),
        }
    }
}

/// The key in the file of a flag.
fn key(flag: &str) -> String {
    flag.replace('-', "_")
}

/// The environment variable of a flag.
fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", key(flag).to_ascii_uppercase())
}

/// What somebody says for a setting, and where. No Debug: it may be a secret.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) setting: &'static Setting,
    pub(crate) origin: Origin,
    value: Value,
}

/// Where something is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// On the command line.
    Flag,
    /// In the environment.
    Variable,
    /// In this line of the file, counted from 1.
    File { path: String, line: usize },
}

/// A value before anybody knows whether it makes sense.
#[derive(Clone)]
enum Value {
    Text(String),
    /// A number of the file, as it stands there.
    Number(String),
    Bool(bool),
    List(Vec<String>),
    /// The elements of `[keys]`, or of `[[forward]]`.
    Pairs(Vec<(String, Said)>),
    /// What no setting is: a date, a table, an array of other things than texts.
    Other,
}

impl Said {
    /// The setting as whoever wrote it calls it, with the place in the file.
    pub(crate) fn name(&self) -> String {
        match &self.origin {
            Origin::File { path, line } => format!("{path}:{line}: {}", self.setting.key()),
            Origin::Flag | Origin::Variable => self.other(self.setting.name),
        }
    }

    /// Another setting, given by its flag, as it would be called in the same place.
    pub(crate) fn other(&self, flag: &str) -> String {
        match &self.origin {
            Origin::Flag => format!("--{flag}"),
            Origin::Variable => variable(flag),
            Origin::File { .. } => key(flag),
        }
    }

    /// That something is wrong with it: `what` says what may be written instead.
    pub(crate) fn problem(&self, what: impl Display) -> Problem {
        let value = match &self.value {
            _ if self.setting.is_secret() => String::new(),
            Value::Text(text) => format!("{text:?}"),
            Value::Number(number) => number.clone(),
            Value::Bool(value) => value.to_string(),
            Value::List(texts) => format!("{texts:?}"),
            Value::Pairs(_) | Value::Other => String::new(),
        };
        let (line, equals) = match &self.origin {
            Origin::Flag => (0, " "),
            Origin::Variable => (0, "="),
            Origin::File { line, .. } => (*line, " = "),
        };
        let equals = if value.is_empty() { "" } else { equals };
        Problem { line, text: format!("{}{equals}{value}: {what}", self.name()) }
    }

    /// The text. A number of the file is one, too, as it is on the command line.
    pub(crate) fn text(&self) -> Result<String, String> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Ok(text.clone()),
            Value::List(texts) if self.setting.form == Form::List => Ok(texts.join(",")),
            _ if self.setting.form == Form::List => Err("write texts in quotes".into()),
            _ => Err("write one text in quotes".into()),
        }
    }

    /// The elements of a list.
    pub(crate) fn list(&self) -> Result<Vec<String>, String> {
        let text = self.text()?;
        let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty());
        Ok(elements.map(str::to_owned).collect())
    }

    /// The secret. A number is none: TOML reads `1_000` as 1000.
    pub(crate) fn secret(&self) -> Result<&str, String> {
        match &self.value {
            Value::Text(text) => Ok(text),
            Value::Number(_) => Err("put it in quotes".into()),
            _ => Err("write one text in quotes".into()),
        }
    }

    /// The number.
    pub(crate) fn number(&self, allowed: RangeInclusive<usize>) -> Result<usize, String> {
        let number = match &self.value {
            Value::Text(text) | Value::Number(text) => text.trim().parse().ok(),
            _ => None,
        };
        let (least, most) = (allowed.start(), allowed.end());
        number
            .filter(|number| allowed.contains(number))
            .ok_or_else(|| format!("write a number from {least} to {most}"))
    }

    /// Whether it is on.
    pub(crate) fn switch(&self) -> Result<bool, String> {
        let text = match &self.value {
            Value::Bool(value) => return Ok(*value),
            Value::Text(text) | Value::Number(text) => text.to_ascii_lowercase(),
            _ => String::new(),
        };
        match text.as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
            _ => Err("write true or false".into()),
        }
    }

    /// One of these words.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, String> {
        let text = self.text()?;
        let chosen = choices.iter().find(|(word, _)| *word == text);
        chosen.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            format!("write {}", words.join(" or "))
        })
    }

    /// Names, and what is said for each of them.
    pub(crate) fn pairs(&self) -> Result<Vec<(String, Self)>, String> {
        let text = match &self.value {
            Value::Pairs(pairs) => return Ok(pairs.clone()),
            // In a file it may be a key alone, which is not repeated.
            Value::Text(text) if !matches!(self.origin, Origin::File { .. }) => text,
            _ if self.setting.form == Form::Forwards => {
                return Err(format!("write {FORWARD_ELEMENT}"));
            }
            _ => return Err("write NAME = \"KEY\" below [keys]".into()),
        };
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        // What has no `=` is a name without a key. It is refused where the others are read.
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let said = |key: &str| Self { value: Value::Text(key.to_owned()), ..self.clone() };
        Ok(pairs.map(|(name, key)| (name.to_owned(), said(key))).collect())
    }
}

/// Something wrong with what is said: one line for the terminal, without any secret.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The line of the file, or 0 where it is not about one.
    pub(crate) line: usize,
    text: String,
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// All that is said, by flag. What comes first stays: flags, then the environment, then the file.
#[derive(Default)]
pub(crate) struct Settings(BTreeMap<&'static str, Said>);

impl Settings {
    /// Adds what the variables say, or what is wrong with them. Gives the file that one names; an
    /// empty one names none.
    pub(crate) fn add_variables(
        &mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        problems: &mut Vec<Problem>,
    ) -> Option<PathBuf> {
        let mut config = None;
        for (name, value) in variables {
            let name = name.to_string_lossy();
            let Some(word) = name.strip_prefix(PREFIX) else { continue };
            if name == variable(CONFIG) {
                config = Some(value).filter(|path| !path.is_empty()).map(PathBuf::from);
                continue;
            }
            if is_foreign(&name, &value.to_string_lossy()) {
                continue;
            }
            let mut problem = |text| problems.push(Problem { line: 0, text });
            match SETTINGS.iter().find(|setting| variable(setting.name) == name) {
                Some(setting) => match value.into_string() {
                    Ok(text) => {
                        self.add(Said {
                            setting,
                            origin: Origin::Variable,
                            value: Value::Text(text),
                        });
                    }
                    Err(_) => problem(format!("{name}: it is not UTF-8")),
                },
                None => {
                    let flags = SETTINGS.iter().map(|setting| setting.name).chain([CONFIG]);
                    let nearest = nearest(&word.to_ascii_lowercase(), flags);
                    problem(format!(
                        "{name}: no setting is called so; the nearest is {}",
                        variable(nearest)
                    ));
                }
            }
        }
        config
    }

    /// Adds what the file says, or what is wrong with it.
    pub(crate) fn add_file(&mut self, path: &Path, problems: &mut Vec<Problem>) {
        match std::fs::read_to_string(path) {
            Ok(text) => self.add_text(&shown(path), &text, problems),
            Err(error) => {
                let text = format!("cannot read {}: {error}", shown(path));
                problems.push(Problem { line: 0, text });
            }
        }
    }

    /// Adds what the text of a file says, or what is wrong with it.
    pub(crate) fn add_text(&mut self, path: &str, text: &str, problems: &mut Vec<Problem>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        // One mistake confuses the reader of TOML for the rest of the line.
        let mut bad_lines = BTreeSet::new();
        for error in errors {
            let line = line_at(text, error.span().map_or(0, |span| span.start));
            if bad_lines.insert(line) {
                problems.push(bad_toml(path, text, line, error.message()));
            }
        }
        for (key, value) in table.get_ref() {
            let line = line_at(text, key.span().start);
            if bad_lines.contains(&line) {
                continue;
            }
            let key = key.get_ref();
            let Some(setting) = SETTINGS.iter().find(|setting| setting.key() == **key) else {
                if !bad_lines.is_empty() && !is_bare(text, line, key) {
                    continue;
                }
                let nearest = self::key(nearest(key, SETTINGS.iter().map(|setting| setting.name)));
                let words = format!("no setting is called {key:?}; the nearest is {nearest}");
                problems.push(Problem { line, text: format!("{path}:{line}: {words}") });
                continue;
            };
            let origin = |offset| Origin::File { path: path.into(), line: line_at(text, offset) };
            let value = match value.get_ref() {
                DeValue::Array(elements) if setting.form == Form::Forwards => {
                    match forwards(setting, elements, &origin) {
                        Ok(pairs) => Value::Pairs(pairs),
                        Err((line, what)) => {
                            let text = format!("{path}:{line}: forward: {what}");
                            problems.push(Problem { line, text });
                            continue;
                        }
                    }
                }
                DeValue::Table(keys) if setting.form == Form::Keys => Value::Pairs(
                    keys.iter()
                        .filter(|(name, _)| {
                            let named = line_at(text, name.span().start);
                            let is_behind_bad = bad_lines.range(line..named).next().is_some();
                            !bad_lines.contains(&named)
                                && (!is_behind_bad || is_bare(text, named, name.get_ref()))
                        })
                        .map(|(name, key)| {
                            let origin = origin(name.span().start);
                            let value = Value::from(key.get_ref());
                            (name.get_ref().to_string(), Said { setting, origin, value })
                        })
                        .collect(),
                ),
                value => Value::from(value),
            };
            self.add(Said { setting, origin: Origin::File { path: path.into(), line }, value });
        }
    }

    fn add(&mut self, said: Said) {
        self.0.entry(said.setting.name).or_insert(said);
    }

    /// What is said for a setting, by its flag.
    pub(crate) fn get(&self, flag: &str) -> Option<&Said> {
        debug_assert!(SETTINGS.iter().any(|setting| setting.name == flag), "{flag} is no setting");
        self.0.get(flag)
    }

    /// Everything that is said.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Said> {
        self.0.values()
    }

    /// Forgets what `keep` does not want.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn retain(&mut self, keep: impl Fn(&Said) -> bool) {
        self.0.retain(|_, said| keep(said));
    }
}

impl From<&DeValue<'_>> for Value {
    fn from(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            // Decimal, whatever it is written in.
            DeValue::Integer(number) => {
                let value = i128::from_str_radix(number.as_str(), number.radix());
                Self::Number(value.map_or_else(|_| number.to_string(), |value| value.to_string()))
            }
            DeValue::Float(number) => Self::Number(number.to_string()),
            DeValue::Boolean(value) => Self::Bool(*value),
            DeValue::Array(elements) => {
                let text = |element: &DeValue<'_>| element.as_str().map(str::to_owned);
                let texts: Option<_> =
                    elements.iter().map(|element| text(element.get_ref())).collect();
                texts.map_or(Self::Other, Self::List)
            }
            DeValue::Datetime(_) | DeValue::Table(_) => Self::Other,
        }
    }
}

impl clap::Args for Settings {
    fn augment_args(command: Command) -> Command {
        command.args(SETTINGS.iter().map(Setting::arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Self::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in SETTINGS {
            let value = match setting.form {
                Form::Count => Some(matches.get_count(setting.name))
                    .filter(|count| *count > 0)
                    .map(|count| Value::Number(count.to_string())),
                _ => matches.get_one::<String>(setting.name).cloned().map(Value::Text),
            };
            if let Some(value) = value {
                self.add(Said { setting, origin: Origin::Flag, value });
            }
        }
        Ok(())
    }
}

/// What an element of `[[forward]]` is.
const FORWARD_ELEMENT: &str =
    "stream = \"NAME\" and to = \"rtmp://HOST/APP/KEY\" below [[forward]]";

/// The elements of `[[forward]]`: names of streams with what is said of where they go; or the line
/// of one that is something else, and what is wrong with it.
fn forwards(
    setting: &'static Setting,
    elements: &DeArray<'_>,
    origin: &impl Fn(usize) -> Origin,
) -> Result<Vec<(String, Said)>, (usize, String)> {
    let mut pairs = Vec::new();
    for element in elements.iter() {
        let place = origin(element.span().start);
        let line = if let Origin::File { line, .. } = place { line } else { 0 };
        let DeValue::Table(table) = element.get_ref() else {
            return Err((line, format!("write {FORWARD_ELEMENT}")));
        };
        let text = |key: &str| table.get(key).and_then(|value| value.get_ref().as_str());
        let (Some(stream), Some(to), 2) = (text("stream"), text("to"), table.len()) else {
            return Err((line, format!("write {FORWARD_ELEMENT}, and nothing else")));
        };
        let value = Value::Text(to.to_owned());
        pairs.push((stream.to_owned(), Said { setting, origin: place, value }));
    }
    Ok(pairs)
}

/// Whether a key stands in its line without quotes. Behind a mistake, a value that goes on in
/// another line is taken for a key: it may be a secret, and stands in quotes.
fn is_bare(text: &str, line: usize, key: &str) -> bool {
    let written = text.lines().nth(line - 1).unwrap_or_default();
    written.trim_start_matches(['[', ' ', '\t']).starts_with(key)
}

/// Whether a variable only looks like ours: one of our tests' or of a deployment's, or one of those
/// that Kubernetes and Docker make for each service, and so for one called feathercast
/// (`FEATHERCAST_SERVICE_HOST`, `FEATHERCAST_PORT=tcp://10.0.0.1:1935`,
/// `FEATHERCAST_PORT_1935_TCP_ADDR`, `FEATHERCAST_ENV_PATH`).
fn is_foreign(name: &str, value: &str) -> bool {
    let is_of_a_port = name
        .split("_PORT_")
        .skip(1)
        .any(|port| port.starts_with(|first: char| first.is_ascii_digit()));
    VARIABLES_OF_TESTS.contains(&name)
        || VARIABLES_OF_DEPLOYMENTS.contains(&name)
        || name.starts_with("FEATHERCAST_ENV_")
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || is_of_a_port
        || (name.ends_with("_PORT") && value.contains("://"))
}

/// What is wrong with a line that is no TOML. Its value is not repeated: it may be a secret.
fn bad_toml(path: &str, text: &str, line: usize, message: &str) -> Problem {
    let written = text.lines().nth(line - 1).unwrap_or_default();
    let (key, value) = written.split_once('=').unwrap_or_default();
    let (key, value) = (key.trim(), value.trim());
    let is_bare = !value.is_empty() && !value.starts_with(['"', '\'', '[', '{']);
    let words = match SETTINGS.iter().find(|setting| setting.key() == key) {
        Some(setting) if is_bare => match setting.form {
            Form::Switch => format!("{key}: write true or false"),
            Form::Number | Form::Count => format!("{key}: write a number"),
            _ => format!("{key}: put it in quotes"),
        },
        Some(_) => format!("{key}: {message}"),
        // Below [keys] every value is a text.
        None if is_bare => "put the value in quotes".to_owned(),
        None => message.to_owned(),
    };
    Problem { line, text: format!("{path}:{line}: {words}") }
}

/// The number of the line, counted from 1, that a byte is in.
fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// A path in one line.
fn shown(path: &Path) -> String {
    path.display().to_string().replace(char::is_control, "?")
}

/// The flag whose key is nearest to a word: one that contains it, or is part of it, before others.
fn nearest(word: &str, flags: impl Iterator<Item = &'static str>) -> &'static str {
    let rank = |flag: &&str| {
        let key = key(flag);
        let is_part = key.contains(word) || word.contains(&key);
        (!is_part, distance(word, &key))
    };
    flags.min_by_key(rank).unwrap_or_default()
}

/// How many bytes have to be added, left out or replaced to make one word of the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, byte) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(byte != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    /// What a line of flags says.
    pub(crate) fn said_by_flags(line: &str) -> Settings {
        let words = ["serve"].into_iter().chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).settings
    }

    fn add_variables(settings: &mut Settings, variables: &[(&str, &str)]) -> Vec<String> {
        let mut problems = Vec::new();
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        settings.add_variables(variables, &mut problems);
        problems.iter().map(Problem::to_string).collect()
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file_setting_by_setting() {
        let mut settings = said_by_flags("--rtmp-addr :1 --renditions= -vv");
        let variables = [
            ("FEATHERCAST_RTMP_ADDR", ":2"),
            ("FEATHERCAST_HTTP_ADDR", ":2"),
            ("FEATHERCAST_RENDITIONS", "audio"),
            ("FEATHERCAST_VERBOSE", "1"),
        ];
        assert!(add_variables(&mut settings, &variables).is_empty());
        let file = "rtmp_addr = ':3'\nhttp_addr = ':3'\nadmin_addr = ':3'";
        settings.add_text("x.toml", file, &mut Vec::new());
        let said = |flag| {
            let said = settings.get(flag).unwrap();
            (said.name(), said.text().unwrap())
        };
        let expected = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(said("rtmp-addr"), expected("--rtmp-addr", ":1"));
        assert_eq!(said("http-addr"), expected("FEATHERCAST_HTTP_ADDR", ":2"));
        assert_eq!(said("admin-addr"), expected("x.toml:3: admin_addr", ":3"));
        assert_eq!(said("renditions"), expected("--renditions", ""), "empty is said");
        assert_eq!(said("verbose"), expected("--verbose", "2"));
    }

    #[test]
    fn every_setting_is_a_flag_a_variable_and_a_key() {
        for setting in SETTINGS {
            let (flag, value) = match setting.form {
                Form::Switch => (format!("--{}=true", setting.name), "true"),
                Form::Count => (format!("--{}", setting.name), "1"),
                _ => (format!("--{}=1", setting.name), "1"),
            };
            let by_flag = said_by_flags(&flag);
            let mut by_variable = Settings::default();
            let variable = variable(setting.name);
            assert!(add_variables(&mut by_variable, &[(&variable, value)]).is_empty());
            let (mut by_file, mut problems) = (Settings::default(), Vec::new());
            by_file.add_text("", &format!("{} = {value}", setting.key()), &mut problems);
            assert!(problems.is_empty(), "{problems:?}");
            for settings in [by_flag, by_variable, by_file] {
                assert!(settings.get(setting.name).is_some(), "{}", setting.name);
                assert_eq!(settings.iter().count(), 1, "{}", setting.name);
            }
        }
    }

    #[test]
    fn help_lists_every_setting_under_its_heading() {
        let help = Line::command().render_help().to_string();
        for setting in SETTINGS {
            let sections = help.split("\n\n");
            let heading = format!("{}:", setting.heading);
            let section: Vec<&str> = sections.filter(|it| it.starts_with(&heading)).collect();
            assert_eq!(section.len(), 1, "{heading}: {help}");
            assert!(section[0].contains(&format!("--{}", setting.name)), "{help}");
        }
    }

    #[test]
    fn variables_that_are_no_settings_name_the_nearest() {
        for (name, nearest) in [
            ("FEATHERCAST_RTMP_ADR", "FEATHERCAST_RTMP_ADDR"),
            ("FEATHERCAST_STREAMS", "FEATHERCAST_MAX_STREAMS"),
            ("FEATHERCAST_CONFIG_FILE", "FEATHERCAST_CONFIG"),
            ("FEATHERCAST_PUBLISH_KEYS", "FEATHERCAST_PUBLISH_KEY"),
            ("FEATHERCAST_rtmp_addr", "FEATHERCAST_RTMP_ADDR"),
        ] {
            let problems = add_variables(&mut Settings::default(), &[(name, "hunter2")]);
            let expected = format!("{name}: no setting is called so; the nearest is {nearest}");
            assert_eq!(problems, [expected]);
        }
    }

    #[test]
    fn variables_that_only_look_like_ours_are_let_be() {
        let variables = [
            ("FEATHERCASTER", "1"),
            ("FEATHERCAST_NOT_RUN", "/notes.tsv"),
            ("FEATHERCAST_SERVICE_HOST", "10.0.0.1"),
            ("FEATHERCAST_SERVICE_PORT", "1935"),
            ("FEATHERCAST_SERVICE_PORT_HLS", "8935"),
            ("FEATHERCAST_PORT", "tcp://10.0.0.1:1935"),
            ("FEATHERCAST_PORT_1935_TCP", "tcp://10.0.0.1:1935"),
            ("FEATHERCAST_PORT_1935_TCP_ADDR", "10.0.0.1"),
            ("FEATHERCAST_HLS_PORT_8935_TCP_PROTO", "tcp"),
            ("FEATHERCAST_PORT_B_PORT_8935_TCP_PROTO", "tcp"),
            ("FEATHERCAST_ENV_PATH", "/usr/bin"),
            ("FEATHERCAST_VERSION", "1.2.3"),
        ];
        let mut settings = Settings::default();
        assert_eq!(add_variables(&mut settings, &variables), [""; 0]);
        assert_eq!(settings.iter().count(), 0);
        assert_eq!(add_variables(&mut settings, &[("FEATHERCAST_PORT", "1935")]).len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn variables_that_are_not_utf_8_are_refused() {
        use std::os::unix::ffi::OsStringExt;
        let variable = ("FEATHERCAST_RTMP_ADDR".into(), OsString::from_vec(vec![0xff]));
        let mut problems = Vec::new();
        Settings::default().add_variables([variable], &mut problems);
        assert_eq!(problems[0].to_string(), "FEATHERCAST_RTMP_ADDR: it is not UTF-8");
    }

    #[test]
    fn distances_are_levenshtein_s() {
        for (from, to, expected) in
            [("", "", 0), ("kitten", "sitting", 3), ("", "abc", 3), ("ab", "ba", 2), ("abc", "", 3)]
        {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }
}
