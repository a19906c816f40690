//! Real programs that are started by a script without a trap, stopped gracefully: nginx and a
//! Python pre-fork server in the middle of an answer, a JVM with a shutdown hook; and lastout
//! itself as a program of supervisord. *Before* is tini; its containers cut them off.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread::{self, JoinHandle};

use lastout_tests::container::{Container, Running, available, until};
use lastout_tests::story::Story;
use lastout_tests::tools;

/// The script as the main child, under lastout with these options or under tini.
fn script(story: &Story, lastout: Option<&[&str]>, script: &str) -> Option<Running> {
    let shell = ["--", "/bin/sh", "-c", script];
    let directory = story.directory().to_path_buf();
    let container = match lastout {
        Some(options) => Container::lastout(story, &[options, &shell].concat()),
        None => Container::program(tools::needed("tini-static")?, story, &shell),
    };
    Some(
        container
            .with(|command| {
                command.current_dir(directory);
            })
            .start(),
    )
}

/// A port that nobody uses just now.
fn port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

/// Asks a server for `/slow`, and returns when the answer has begun; all of it comes later.
fn request(port: u16) -> JoinHandle<Vec<u8>> {
    let mut server = None;
    until(
        || {
            server = TcpStream::connect(("127.0.0.1", port)).ok();
            server.is_some()
        },
        || "the server".into(),
    );
    let mut server = server.expect("connected");
    server.write_all(b"GET /slow HTTP/1.0\r\n\r\n").expect("the request");
    let mut answer = vec![0];
    server.read_exact(&mut answer).expect("the answer begins");
    thread::spawn(move || {
        // Cut off, it ends early, with or without an error.
        let _ = server.read_to_end(&mut answer);
        answer
    })
}

const PAGE: usize = 60_000;

#[test]
fn nginx_finishes_its_answer() {
    if !available() || tools::needed("nginx").is_none() {
        return;
    }
    for lastout in [true, false] {
        let story = Story::new();
        let port = port();
        let directory = story.directory().display();
        fs::write(story.directory().join("slow"), vec![b'x'; PAGE]).expect("a page");
        let configuration = format!(
            "pid {directory}/pid; error_log {directory}/error.log;\n\
             events {{}}\n\
             http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {directory};\n\
             limit_rate 30k; }} }}\n"
        );
        let file = story.directory().join("nginx.conf");
        fs::write(&file, configuration).expect("its configuration");
        // It daemonises: nobody but the init could stop it.
        let words = format!("nginx -c {}; sleep 60; exit 3", file.display());
        let options: &[&str] = &["--drain-signal", "QUIT"];
        let Some(mut running) = script(&story, lastout.then_some(options), &words) else {
            return;
        };
        let answer = request(port);
        running.signal(libc::SIGTERM);
        assert_eq!(running.wait(), 143, "{}", running.stderr());
        let answer = answer.join().expect("the client");
        assert_eq!(answer.ends_with(&vec![b'x'; PAGE]), lastout, "{} bytes", answer.len());
        assert_eq!(!story.directory().join("pid").exists(), lastout, "nginx tidies up");
    }
}

const APPLICATION: &str = "\
import time
def app(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    yield b'begin '
    time.sleep(1)
    yield b'end'
";

#[test]
fn a_python_pre_fork_server_finishes_its_answer() {
    if !available() || tools::needed("gunicorn").is_none() {
        return;
    }
    for lastout in [true, false] {
        let story = Story::new();
        let port = port();
        fs::write(story.directory().join("slow.py"), APPLICATION).expect("an application");
        let words = format!("gunicorn --workers 2 --bind 127.0.0.1:{port} slow:app; exit 3");
        let Some(mut running) = script(&story, lastout.then_some(&[]), &words) else {
            return;
        };
        let answer = request(port);
        running.signal(libc::SIGTERM);
        assert_eq!(running.wait(), 143, "{}", running.stderr());
        let answer = answer.join().expect("the client");
        assert_eq!(answer.ends_with(b"begin end"), lastout, "{}", String::from_utf8_lossy(&answer));
    }
}

const HOOK: &str = r#"
import java.nio.file.*;
public class Hook {
    static void tell(String what) {
        try {
            Files.writeString(Path.of(System.getenv("STORY")), what + "\n", StandardOpenOption.APPEND);
        } catch (java.io.IOException e) {
            throw new RuntimeException(e);
        }
    }
    public static void main(String[] arguments) throws Exception {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                Thread.sleep(300);
            } catch (InterruptedException e) {
            }
            tell("jvm finished");
        }));
        tell("jvm started");
        Thread.sleep(60000);
    }
}
"#;

#[test]
fn a_jvm_runs_its_shutdown_hook() {
    if !available() || tools::needed("java").is_none() {
        return;
    }
    let Some(compiler) = tools::needed("javac") else {
        return;
    };
    for lastout in [true, false] {
        let story = Story::new();
        let directory = story.directory();
        fs::write(directory.join("Hook.java"), HOOK).expect("the source");
        let done = Command::new(&compiler).arg("Hook.java").current_dir(directory).status();
        assert!(done.expect("javac runs").success());
        let words = "java -Xshare:auto -XX:TieredStopAtLevel=1 Hook; exit 3";
        let Some(mut running) = script(&story, lastout.then_some(&[]), words) else {
            return;
        };
        story.wait_for("jvm started");
        running.signal(libc::SIGTERM);
        assert_eq!(running.wait(), 143, "{}", running.stderr());
        assert_eq!(story.count("jvm finished"), usize::from(lastout), "{:?}", story.lines());
    }
}

/// P14: supervisord wants a program that stays in the foreground and answers TERM; lastout is
/// one, and stops its whole tree, daemons included.
#[test]
fn supervisord_stops_the_whole_tree_below_lastout() {
    if !available() {
        return;
    }
    let Some(supervisord) = tools::needed("supervisord") else {
        return;
    };
    for lastout in [true, false] {
        let story = Story::new();
        let directory = story.directory().display();
        let teller = tools::teller().display();
        let init = if lastout { tools::lastout().display().to_string() } else { String::new() };
        // Kept where no quoting is needed.
        let main = format!(
            "#!/bin/sh\n{teller} starter spawn D 'worker take TERM 300 finish exit 0' exit 0\n\
             echo main started >>$STORY\nsleep 60\nexit 3\n"
        );
        fs::write(story.directory().join("main.sh"), main).expect("the script");
        let configuration = format!(
            "[supervisord]\nnodaemon=true\nlogfile={directory}/log\npidfile={directory}/pid\nuser=root\n\
             [program:main]\ncommand={init} /bin/sh {directory}/main.sh\nstopwaitsecs=20\n"
        );
        let file = story.directory().join("supervisord.conf");
        fs::write(&file, configuration).expect("its configuration");
        let file = file.to_str().expect("a readable path");
        let mut running = Container::program(&supervisord, &story, &["-c", file]).start();
        story.wait_for("worker started");
        story.wait_for("main started");
        running.signal(libc::SIGTERM);
        assert_eq!(running.wait(), 0, "{}", running.stderr());
        let finished = (story.count("worker asked TERM"), story.count("worker finished"));
        let expected = if lastout { (1, 1) } else { (0, 0) };
        assert_eq!(finished, expected, "{:?}", story.lines());
    }
}
