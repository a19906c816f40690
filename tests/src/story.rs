//! What the processes of a container did, as they tell it themselves: one line an event,
//! appended to a file that all of them know by the variable `STORY`. Appending a short line is
//! atomic, so it also works for daemons, and through a bind mount.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long an event may take on a busy machine. Nothing waits so long that works.
pub const LIMIT: Duration = Duration::from_mins(2);

/// A story being told. Its file goes when it is dropped.
#[derive(Debug)]
pub struct Story {
    directory: PathBuf,
}

impl Story {
    /// An empty one, in a directory of its own that anyone may write to.
    ///
    /// # Panics
    /// If there is no place for it.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lastout-story-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).expect("a directory for the story");
        let story = Self { directory };
        fs::write(story.path(), "").expect("the story's file");
        let everybody = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(&story.directory, everybody(0o777)).expect("chmod");
        fs::set_permissions(story.path(), everybody(0o666)).expect("chmod");
        story
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join("story")
    }

    /// The directory that the file is in; tests put the files there that tellers wait for.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Lets the tellers go on that wait for that file.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn release(&self, file: &str) {
        fs::write(self.directory.join(file), "").expect("the file that is waited for");
    }

    /// All that was told so far.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path()).expect("the story's file");
        text.lines().map(str::to_owned).collect()
    }

    /// The lines that begin so, as whole words.
    #[must_use]
    pub fn matching(&self, begin: &str) -> Vec<String> {
        let words = format!("{begin} ");
        self.lines().into_iter().filter(|l| l == begin || l.starts_with(&words)).collect()
    }

    /// How often that was told.
    #[must_use]
    pub fn count(&self, begin: &str) -> usize {
        self.matching(begin).len()
    }

    /// Waits until that is told; returns the line.
    ///
    /// # Panics
    /// If it is not told within [`LIMIT`].
    pub fn wait_for(&self, begin: &str) -> String {
        self.wait_for_count(begin, 1).remove(0)
    }

    /// Waits until that is told so many times; returns the lines.
    ///
    /// # Panics
    /// If it is not told within [`LIMIT`].
    pub fn wait_for_count(&self, begin: &str, count: usize) -> Vec<String> {
        let start = Instant::now();
        loop {
            let lines = self.matching(begin);
            if lines.len() >= count {
                return lines;
            }
            assert!(
                start.elapsed() < LIMIT,
                "{begin:?} was told {} times, not {count}; the whole story:\n{}",
                lines.len(),
                self.lines().join("\n")
            );
            sleep(Duration::from_millis(2));
        }
    }

    /// The value behind `key=` in a line.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn value<'l>(line: &'l str, key: &str) -> &'l str {
        line.split_whitespace()
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_else(|| panic!("no {key}= in {line:?}"))
    }
}

impl Default for Story {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
