//! Small edits of a line of text, so that what is wrong with it is wrong in one place.

use arbitrary::Arbitrary;

use super::choice::one_of;

/// The words of the notation, and the numbers at its borders. `fuzz/notation.dict` has the
/// much the same for edits that libFuzzer makes.
pub(super) const WORDS: [&str; 101] = [
    "#",
    "lastout",
    "1",
    "role=pid1",
    "role=plain",
    "role=subreaper",
    "role=",
    "forward=main",
    "forward=group",
    "forward=all",
    "stop-signal=none",
    "stop-signal=TERM",
    "stop-signal=",
    "stop-signal=1,64,TERM",
    "drain-signal=HUP",
    "stop-grace=1ms",
    "drain-grace=0",
    "last-call=2m",
    "kill-grace=4294967295ms",
    "terminal",
    "terminal=",
    "rewrite=TERM:0",
    "rewrite=CHLD:TERM",
    "rewrite=HUP:CHLD",
    "rewrite=64:RTMAX",
    "remap-exit=143:0",
    "remap-exit=0:0",
    "remap-exit=255:256",
    "spawned",
    "spawn-failed",
    "not-found",
    "not-executable",
    "no-process",
    "signal",
    "value",
    "alarm",
    "late",
    "reaped",
    "exit",
    "core",
    "stopped",
    "trapped",
    "continued",
    "none-ready",
    "no-children",
    "alone",
    "company",
    "->",
    ";",
    ",",
    "kill",
    "all",
    "descendants",
    "group",
    "foreground",
    "own",
    "stop-self",
    "detach",
    "say",
    "stop-grace-over",
    "drain-grace-over",
    "killing",
    "kill-grace-over",
    "main-lost",
    "spawn",
    "wait",
    "reap",
    "report",
    "census",
    "TERM",
    "SIGTERM",
    "CHLD",
    "RTMIN",
    "RTMIN+30",
    "RTMIN+31",
    "RTMAX-30",
    "SIGRTMAX",
    "rtmin+3",
    "0",
    "00",
    "+1",
    "-1",
    "7",
    "64",
    "65",
    "255",
    "256",
    "4194304",
    "4194305",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "0ms",
    "1500ms",
    "60000ms",
    "71582m",
    "71583m",
    "4294968s",
    "5",
    "ms",
];

const ODD: [&str; 20] = [
    " ", "\t", "\r", "\u{b}", "\u{c}", "\0", "\u{a0}", "\u{2028}", "é", "=", ":", ",", ";", "-",
    ">", "->", "#", "+", "0", "\u{85}",
];

const NUMBERS: [&str; 14] = [
    "",
    "0",
    "1",
    "00",
    "64",
    "65",
    "255",
    "256",
    "4194304",
    "4194305",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
];

/// One edit.
#[derive(Arbitrary, Clone, Copy)]
pub(super) struct Edit {
    how: u8,
    /// Which word, number or character, counted from the first and round.
    place: u8,
    with: u8,
}

impl Edit {
    pub(super) fn apply(self, line: &mut String) {
        let place = usize::from(self.place);
        match self.how % 8 {
            0 => self.word(line, |words, at| words[at] = one_of(&WORDS, self.with)),
            1 => self.word(line, |words, at| words.insert(at, one_of(&WORDS, self.with))),
            2 => self.word(line, |words, at| _ = words.remove(at)),
            3 => self.word(line, |words, at| words.insert(at, words[at])),
            4 => self.word(line, |words, at| {
                let other = usize::from(self.with) % words.len();
                words.swap(at, other);
            }),
            5 => {
                let borders: Vec<_> = line.char_indices().map(|(at, _)| at).collect();
                let at = borders.get(place % (borders.len() + 1)).copied().unwrap_or(line.len());
                line.insert_str(at, one_of(&ODD, self.with));
            }
            6 => {
                if let Some((at, _)) = line.char_indices().nth(place % line.len().max(1)) {
                    line.remove(at);
                }
            }
            _ => {
                let digit = |at: usize| line.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
                let starts =
                    || (0..line.len()).filter(|&at| digit(at) && (at == 0 || !digit(at - 1)));
                let count = starts().count();
                if count > 0 {
                    let start = starts().nth(place % count).unwrap_or(0);
                    let end = (start..line.len()).find(|&at| !digit(at)).unwrap_or(line.len());
                    line.replace_range(start..end, one_of(&NUMBERS, self.with));
                }
            }
        }
    }

    /// Edits the words that a blank separates, if there are any.
    fn word(self, line: &mut String, edit: impl FnOnce(&mut Vec<&str>, usize)) {
        let mut words: Vec<_> = line.split(' ').collect();
        let at = usize::from(self.place) % words.len();
        edit(&mut words, at);
        *line = words.join(" ");
    }
}
