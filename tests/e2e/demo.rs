//! `feathercast demo`: everything once, by itself.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::scratch::Scratch;
use crate::support::wait::within;

/// The demo, its output in a file; killed when dropped.
struct Demo {
    child: Child,
    scratch: Scratch,
}

impl Demo {
    fn start(args: &[&str]) -> Self {
        let scratch = Scratch::new();
        let log = File::create(scratch.file("demo.log")).expect("a log file");
        let child = Command::new(env!("CARGO_BIN_EXE_feathercast"))
            .arg("demo")
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("feathercast starts");
        Self { child, scratch }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.scratch.file("demo.log")).expect("text")
    }

    /// Waits for the end; the exit code.
    fn finish(&mut self, limit: Duration) -> Option<i32> {
        within(limit, "the demo to end", || self.child.try_wait().expect("a child")).code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_demo_publishes_serves_checks_and_says_what_is_next() {
    let mut demo = Demo::start(&["--for", "15s"]);
    let code = demo.finish(Duration::from_secs(40));
    let said = demo.said();
    assert_eq!(code, Some(0), "{said}");
    for words in [
        "pass picture-decodes",
        "good: ",
        "$ curl http://127.0.0.1:",
        "\n#EXTM3U\n#EXT-X-VERSION:3\n",
        "\n#EXTINF:2.000,\n/stream/hello_world/P144p30fps16x9/",
        "/stream/hello_world.m3u8",
        "Stream Key another_name",
        "Keyframe Interval 2 s",
        "/status\n",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("FAIL") && !said.contains("ERROR"), "{said}");
    // What to open is told before the ten seconds of the check, and again behind them.
    let url = said.find("/stream/hello_world.m3u8");
    assert!(url < said.find("\nchecking ") && url < said.find("pass picture-decodes"), "{said}");
    let last_words = said.split("\n#EXTM3U\n").nth(1).expect("the playlist");
    assert!(last_words.contains("/stream/hello_world.m3u8, Ctrl-C ends it.\n"), "{said}");
}

#[test]
fn a_second_demo_takes_other_ports_and_ctrl_c_ends_it() {
    let first = Demo::start(&[]);
    let mut second = Demo::start(&[]);
    within(Duration::from_secs(40), "both demos' last words", || {
        [&first, &second].iter().all(|demo| demo.said().contains("Ctrl-C ends it.")).then_some(())
    });
    let watched = |demo: &Demo| {
        demo.said().lines().find(|line| line.starts_with("Watch ")).map(str::to_owned)
    };
    assert_ne!(watched(&first), watched(&second));
    let killed = Command::new("kill").args(["-INT", &second.child.id().to_string()]).status();
    assert!(killed.expect("kill(1)").success());
    assert_eq!(second.finish(Duration::from_secs(5)), Some(0), "{}", second.said());
}
