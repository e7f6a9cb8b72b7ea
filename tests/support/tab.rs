//! A page as people have it: a tab of Chromium, driven over its DevTools protocol.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::browser::{CHROMIUM, QUIET};
use super::program::Program;
use super::scratch::Scratch;

/// How long an answer may take: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// One tab; its browser is killed when it is dropped.
pub(crate) struct Tab {
    // Dropped in this order: it goes before its folder.
    _program: Program,
    _folder: Scratch,
    input: RefCell<ChildStdin>,
    messages: Receiver<Value>,
    events: RefCell<Vec<Value>>,
    last: Cell<u64>,
    session: String,
}

impl Tab {
    /// An empty tab.
    pub(crate) fn new() -> Self {
        let folder = Scratch::new();
        let mut command = Command::new("sh");
        command
            // Chromium talks over its descriptors 3 and 4.
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null", CHROMIUM])
            .args(QUIET)
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg("about:blank");
        let (program, input, output) = Program::start_talking(&mut command, "chromium", &folder);
        let (sender, messages) = channel();
        thread::spawn(move || read(output, |message| sender.send(message).is_ok()));
        let mut tab = Self {
            _program: program,
            _folder: folder,
            input: RefCell::new(input),
            messages,
            events: RefCell::default(),
            last: Cell::new(0),
            session: String::new(),
        };
        let target = tab.call("Target.createTarget", &json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let attached = tab.call("Target.attachToTarget", &target);
        tab.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            tab.call(&format!("{domain}.enable"), &json!({}));
        }
        tab
    }

    /// Goes to a page.
    pub(crate) fn go(&self, url: &str) {
        let gone = self.call("Page.navigate", &json!({"url": url}));
        assert_eq!(gone.get("errorText"), None, "{url}");
    }

    /// The value of an expression in the page; null where it fails, as the page is on its way.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true});
        self.call("Runtime.evaluate", &asked)["result"]["value"].take()
    }

    /// What the page complained about so far: errors in its console, and what it could not load;
    /// but for segments, which a machine that has too much to do may not make in time.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.value("0");
        let events = self.events.borrow();
        let complaints = events.iter().filter(|event| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            Some("Log.entryAdded") => {
                let entry = &event["params"]["entry"];
                let is_segment = entry["url"].as_str().is_some_and(|url| url.contains(".m4s"));
                entry["level"] == "error" && !is_segment
            }
            _ => false,
        });
        complaints.map(|event| event["params"].to_string()).collect()
    }

    /// Every address that the page has asked for so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        let events = self.events.borrow();
        let requests = events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        let url = |event: &Value| event["params"]["request"]["url"].as_str().map(str::to_owned);
        requests.filter_map(url).collect()
    }

    /// How many requests the page itself has given up so far.
    pub(crate) fn given_up(&self) -> usize {
        self.value("0");
        let events = self.events.borrow();
        let is_given_up = |event: &&Value| {
            event["method"] == "Network.loadingFailed" && event["params"]["canceled"] == true
        };
        events.iter().filter(is_given_up).count()
    }

    /// Makes the window as large as this, in pixels, for people who like it light or dark.
    pub(crate) fn resize(&self, width: u32, height: u32, scheme: &str) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &scheme);
    }

    /// What the window shows, as a PNG.
    pub(crate) fn screenshot(&self) -> Vec<u8> {
        let shot = self.call("Page.captureScreenshot", &json!({"format": "png"}));
        base64(shot["data"].as_str().expect("a picture"))
    }

    /// One command of the protocol.
    pub(crate) fn call(&self, method: &str, params: &Value) -> Value {
        self.last.set(self.last.get() + 1);
        let mut message = json!({"id": self.last.get(), "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let sent = self.input.borrow_mut().write_all(format!("{message}\0").as_bytes());
        sent.expect("a browser that listens");
        loop {
            let mut message = self.messages.recv_timeout(PATIENCE).expect("an answer");
            if message["id"] == self.last.get() {
                assert_eq!(message.get("error"), None, "{method}");
                return message["result"].take();
            }
            self.events.borrow_mut().push(message);
        }
    }
}

/// The bytes of a text of RFC 4648 4.
fn base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for character in text.bytes().filter(|byte| *byte != b'=') {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        (bits, held) = (bits << 6 | u32::from(value), held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

/// Each message ends with a zero byte.
fn read(output: ChildStdout, take: impl Fn(Value) -> bool) {
    let mut output = BufReader::new(output);
    loop {
        let mut message = Vec::new();
        if output.read_until(0, &mut message).unwrap_or(0) == 0 || message.pop() != Some(0) {
            return;
        }
        if !serde_json::from_slice(&message).is_ok_and(&take) {
            return;
        }
    }
}
