//! Where what a user wanted stands when the whole catalogue is ranked by the phone's own code, as it was at that moment.

use super::baselines::Baselines;
use super::catalogue::Catalogue;
use super::dataset::Dataset;
use super::examples::progress;
use super::metrics::ranked::Target;
use super::phone::Head;
use super::replay::{Replay, Signal};
use super::rows::Rows;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use zhiji::features::{Context, Layout};
use zhiji::item::Item;
use zhiji::score::Ranker;
use zhiji::state::Observe;

/// One way to rank, with its results.
#[derive(Debug, Default)]
pub struct Results {
    /// Where what was wanted stood.
    pub targets: Vec<Target>,
    /// The first places, as indices into the catalogue.
    pub lists: Vec<Vec<u32>>,
}

/// The ways to rank.
#[derive(Debug, Default)]
pub struct Rankings {
    /// As the phone does: ranker and personal head.
    pub personal: Results,
    /// The ranker alone.
    pub frozen: Results,
    /// By the number of users in `train`.
    pub popular: Results,
    /// By what followed in `train` on what the user did last.
    pub following: Results,
}

/// What is ranked, for whom and when.
pub struct Question<'a> {
    /// The catalogue.
    pub catalogue: &'a [Rc<Item>],
    /// Places in it, by wire id.
    pub place: &'a HashMap<u64, u32>,
    /// What `train` says.
    pub baselines: &'a Baselines,
    /// The moments: number of the user, and number of the event among the user's own. The event's item is what was wanted.
    pub wanted: &'a BTreeSet<(u32, u32)>,
    /// Length of the lists.
    pub k: usize,
}

/// Ranks the catalogue at every wanted moment. Items that the user has done anything with before are left out, except the wanted one.
///
/// # Errors
/// Where the data cannot be read, or a score is not finite.
pub fn rank(
    data: &Dataset,
    layout: &Rc<Layout>,
    ranker: &Ranker,
    question: &Question<'_>,
    rows: &mut Rows,
) -> anyhow::Result<Rankings> {
    let mut results = Rankings::default();
    let catalogue = Catalogue::new(&data.schema, layout, ranker, question.catalogue);
    let mut desk = Desk { question, catalogue, results: &mut results, scratch: Scratch::default() };
    let bar = progress(question.wanted.len() as u64, "catalogues ranked");
    let mut number = 0u32;
    data.for_each_user(rows, |user| {
        if question.wanted.range((number, 0)..=(number, u32::MAX)).next().is_some() {
            let mut replay = Replay::new(Rc::clone(&data.schema), Rc::clone(layout))?;
            let mut head = Head::new(ranker);
            let mut acts: Vec<u32> = Vec::new();
            let mut failed = None;
            replay.run(&user, |signal| match signal {
                Signal::Reset => head.reset(),
                Signal::New(example, _, matured_ms) | Signal::Again(example, matured_ms) => {
                    head.remember(example, matured_ms);
                }
                Signal::Next { state, event, origin, now_ms } => {
                    let Some(&item) = question.place.get(&event.item.wire()) else { return };
                    if failed.is_none() && question.wanted.contains(&(number, origin.earlier)) {
                        head.learn(now_ms);
                        let context = Context { now_ms, utc_offset_minutes: event.utc_offset_minutes };
                        let moment = Moment { user: number, earlier: origin.earlier, wanted: item, acts: &acts };
                        failed = desk.answer(state, context, &mut head, &moment).err();
                        bar.inc(1);
                    }
                    if event.action != data.schema.impression() {
                        acts.push(item);
                    }
                }
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
        number += 1;
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(results)
}

struct Moment<'a> {
    user: u32,
    earlier: u32,
    wanted: u32,
    /// What the user has done anything with, oldest first.
    acts: &'a [u32],
}

#[derive(Default)]
struct Scratch {
    personal: Vec<f64>,
    frozen: Vec<f64>,
    other: Vec<f64>,
}

struct Desk<'a> {
    question: &'a Question<'a>,
    catalogue: Catalogue<'a>,
    results: &'a mut Rankings,
    scratch: Scratch,
}

impl Desk<'_> {
    fn answer(
        &mut self,
        state: &Observe,
        context: Context,
        head: &mut Head<'_>,
        moment: &Moment<'_>,
    ) -> anyhow::Result<()> {
        let n = self.question.catalogue.len();
        let Scratch { personal, frozen, other } = &mut self.scratch;
        for scores in [&mut *personal, &mut *frozen, &mut *other] {
            scores.resize(n, 0.0);
        }
        self.catalogue.score(state, context, head, |i, alone, with_head| {
            (frozen[i], personal[i]) = (f64::from(alone), f64::from(with_head));
        })?;
        let k = self.question.k;
        let mut hidden: HashSet<u32> = moment.acts.iter().copied().collect();
        hidden.remove(&moment.wanted);
        self.results.personal.take(personal, &hidden, moment, k);
        self.results.frozen.take(frozen, &hidden, moment, k);
        let baselines = self.question.baselines;
        for (score, users) in other.iter_mut().zip(&baselines.popularity) {
            *score = f64::from(*users);
        }
        self.results.popular.take(other, &hidden, moment, k);
        baselines.follow(moment.acts, other);
        self.results.following.take(other, &hidden, moment, k);
        Ok(())
    }
}

impl Results {
    fn take(&mut self, scores: &[f64], hidden: &HashSet<u32>, moment: &Moment<'_>, k: usize) {
        let wanted = scores[moment.wanted as usize];
        let (mut above, mut equal) = (0u32, 0u32);
        let mut shown: Vec<u32> = Vec::with_capacity(scores.len());
        for (item, &score) in (0u32..).zip(scores) {
            if !hidden.contains(&item) {
                above += u32::from(score > wanted);
                equal += u32::from(score == wanted);
                shown.push(item);
            }
        }
        // The wanted item is equal to itself.
        let rank = f64::from(above) + f64::from(equal - 1) / 2.0 + 1.0;
        self.targets.push(Target { user: moment.user, earlier: moment.earlier, rank });
        let order = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
        let k = k.min(shown.len());
        if k < shown.len() {
            shown.select_nth_unstable_by(k, order);
            shown.truncate(k);
        }
        shown.sort_unstable_by(order);
        self.lists.push(shown);
    }
}

#[cfg(test)]
mod tests {
    use super::super::dataset::{Row, Split, Writer};
    use super::*;

    const SCHEMA: &str = r#"{ "space": "films", "fields": { "genres": { "kind": "tags" } }, "actions": { "rate": { "weight": 0 } },
        "labels": { "like": { "action": "rate", "atLeast": 4 } } }"#;

    /// Users who like one of two genres, and watch their six films in the order of the ids.
    fn films(dir: &std::path::Path) {
        let items: Vec<_> = (0..12)
            .map(|i| serde_json::json!({ "id": format!("{i:02}"), "genres": [if i < 6 { "War" } else { "Drama" }] }))
            .collect();
        let mut writer = Writer::create(dir, SCHEMA, &items).expect("a directory");
        for user in 0..20i64 {
            for step in 0..6i64 {
                let item = step + 6 * (user % 2);
                let row = Row {
                    user: format!("{user:02}"),
                    at_ms: 1_700_000_000_000 + user * 1_000_000 + step * 60_000,
                    action: "rate".into(),
                    item: format!("{item:02}"),
                    value: Some(5.0),
                    split: if user < 16 { Split::Train } else { Split::Test },
                    ..Row::default()
                };
                writer.push(&row).expect("written");
            }
        }
        writer.finish(&Rows::new(0.0), |_| ()).expect("written");
    }

    #[test]
    fn what_is_wanted_is_found_by_taste_and_by_what_follows() {
        let dir = tempfile::tempdir().expect("a folder");
        films(dir.path());
        let mut rows = Rows::new(0.0);
        let data = Dataset::open(dir.path(), &mut rows).expect("a data set");
        let catalogue = data.catalogue();
        let place: HashMap<u64, u32> = (0u32..).zip(&catalogue).map(|(i, item)| (item.wire(), i)).collect();
        let baselines = Baselines::count(&data, &place, &mut rows).expect("counted");
        assert_eq!((baselines.users, baselines.popularity[3]), (16, 8));
        let layout = Rc::new(Layout::new(&data.schema));
        let ranker = Ranker::starter(&layout);
        let wanted = BTreeSet::from([(16, 3), (17, 3), (18, 0)]);
        let question = Question { catalogue: &catalogue, place: &place, baselines: &baselines, wanted: &wanted, k: 3 };
        let found = rank(&data, &layout, &ranker, &question, &mut rows).expect("ranked");
        let ranks = |r: &Results| r.targets.iter().map(|t| t.rank).collect::<Vec<_>>();
        // Three of six War films are behind the user, so the wanted one ties with two others for the first place.
        assert_eq!(ranks(&found.frozen), [2.0, 2.0, 6.5]);
        assert_eq!(ranks(&found.popular), [5.0, 5.0, 6.5], "all are equally popular, three are hidden");
        assert_eq!(ranks(&found.following)[..2], [1.0, 1.0], "the fourth film follows the third");
        assert_eq!(found.frozen.lists[0], [3, 4, 5]);
        assert_eq!(found.frozen.lists[1], [9, 10, 11]);
        assert_eq!(found.personal.targets[0].earlier, 3);
    }
}
