//! The net catches fish: lastout's mutants and the other inits before the same laws.

use std::collections::BTreeMap;

use lastout_sim::laws::Law;
use lastout_sim::mutant::Mutant;
use lastout_sim::scenario::{self, Scenario};
use lastout_sim::{show, trial};

#[test]
fn every_mistake_is_found_out_by_a_law_that_is_about_it() {
    assert!(Mutant::ALL.len() >= 33);
    for &mutant in Mutant::ALL {
        let name = mutant.name();
        let (setting, found) = trial::mutant(mutant).unwrap_or_else(|| panic!("{name} escapes"));
        let law = found.broken.law.number();
        assert!(mutant.laws().contains(&law), "{name} breaks {law}, not {:?}", mutant.laws());
        // What is shown is a file, and the file is the counterexample.
        let kept = Scenario {
            remark: name.into(),
            setting: setting.clone(),
            expectations: Vec::new(),
            moves: found.path.clone(),
        };
        let again = scenario::parse(&kept.to_string()).unwrap();
        assert_eq!((again.setting, again.moves), (setting.clone(), found.path.clone()), "{name}");
        let shown = show::counterexample(&setting, &found, "again");
        assert!(shown.contains(law) && shown.contains("# lastout 1 role="), "{name}: {shown}");
    }
}

/// S8 is about the type of a step, which holds no more; L3 is broken by whoever breaks S10.
#[test]
fn every_other_law_has_a_mistake_that_breaks_it() {
    let named: Vec<_> = Mutant::ALL.iter().flat_map(|mutant| mutant.laws()).collect();
    for law in Law::ALL.iter().filter(|&&law| law != Law::S8) {
        assert!(named.contains(&&law.number()), "{law}");
    }
}

/// Written by `cargo run --release -p lastout-sim -- peers`.
#[test]
fn the_readmes_table_of_other_inits_is_what_the_trial_says() {
    let rows = trial::all_peers();
    assert_eq!(rows[0], ("lastout", BTreeMap::new()), "lastout keeps every law");
    for (name, broken) in &rows[1..] {
        assert!(broken.contains_key(&Law::S10), "{name} asks everybody?");
    }
    let table = trial::peers_table(&rows);
    assert!(crate::read("README.md").contains(&table), "README.md has another table than\n{table}");
}
