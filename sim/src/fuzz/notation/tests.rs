//! The proof that the judges judge, and that both ways of reading the bytes reach the machine.

use super::*;

/// A number that forgets its last digit, as text.
#[derive(PartialEq, Debug)]
struct Forgetful(u32);

impl Display for Forgetful {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0 / 10)
    }
}

#[test]
fn what_does_not_read_back_is_found_out() {
    let read = |text: &str| text.parse().ok().map(Forgetful);
    assert_eq!(reads_back_by("0", read), Ok(()));
    assert_eq!(reads_back_by("no number", read), Ok(()));
    let told = reads_back_by("17", read).unwrap_err();
    assert_eq!(told, r#""17" is written "1", which reads as Some(Forgetful(1))"#);
}

#[test]
fn a_panic_is_told_with_its_words() {
    let told: Result<(), _> = caught(|| panic!("at {}", "line 7"));
    assert_eq!(told, Err("a panic: at line 7".to_owned()));
}

/// Most choices are a record that the machine takes to some length: not all ends at the policy.
#[test]
fn choices_make_records_with_few_errors() {
    let (mut true_ones, mut false_ones) = (0, 0);
    for nth in 0..2000_u32 {
        let bytes: Vec<_> = (0..200_u32)
            .map(|at| nth.wrapping_mul(0x9e37_79b1).wrapping_add(at).wrapping_mul(0x85eb_ca6b))
            .map(|number| number.to_be_bytes()[0])
            .collect();
        let text = record(&mut Unstructured::new(&bytes)).unwrap_or_default();
        let (written, faulty) = rewrite(&text).expect("in order");
        let entries = written.lines().filter(|line| line.contains("->")).count();
        true_ones += usize::from(entries >= 3);
        false_ones += usize::from(faulty.is_some());
        assert_eq!(judge_record(&text), Ok(()), "{text}");
    }
    assert!(true_ones > 100, "only {true_ones} of 2000 come further than two steps");
    assert!(false_ones > 100, "only {false_ones} of 2000 have a fault");
}

#[test]
fn text_is_taken_as_it_is() {
    let text = "# lastout 1\nspawned 7 -> reap\n# remark\r\r\n\u{fffd}";
    assert_eq!(notation(format!("\0{text}").as_bytes()), Ok(()));
    assert_eq!(notation(b""), Ok(()));
    assert_eq!(notation(b"\0\xff\xfe"), Ok(()));
}
