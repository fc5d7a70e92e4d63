//! Small invented files in the layout of each data set.

use super::super::dataset::Row;
use super::mapped::Source;
use super::mapping::Mapping;
use super::presets::{self, Preset};
use super::*;
use std::path::PathBuf;
use std::sync::Arc;
use zhiji::schema::Schema;

/// A folder of files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    dir
}

type Taken = (Vec<serde_json::Value>, Vec<Row>, Rows);

fn take(
    most: f64,
    read: impl FnOnce(&mut Rows, &mut Sorter) -> anyhow::Result<Vec<serde_json::Value>>,
) -> anyhow::Result<Taken> {
    let dir = tempfile::tempdir()?;
    let (mut rows, mut sorter) = (Rows::new(most), Sorter::new(dir.path().to_path_buf()));
    let items = read(&mut rows, &mut sorter)?;
    let mut events = Vec::new();
    sorter.finish(|row| {
        events.push(row);
        Ok(())
    })?;
    Ok((items, events, rows))
}

fn tables(mapping: &Mapping, schema: &str, events: &[PathBuf], items: &[PathBuf], most: f64) -> anyhow::Result<Taken> {
    let schema = Schema::open(schema).expect("a schema");
    let events: Vec<_> = events.iter().map(|path| (path.clone(), Split::Train)).collect();
    let source = Source { mapping, schema: &schema, events: &events, items };
    take(most, |rows, sorter| {
        let items = source.read_items(rows)?;
        source.read_events(&items, rows, sorter)?;
        Ok(items)
    })
}

fn preset(preset: &Preset, events: &[PathBuf], items: &[PathBuf]) -> Taken {
    let mapping = preset.mapping().expect("the mapping of a preset");
    tables(&mapping, preset.schema, events, items, 0.0).expect("a data set")
}

fn line(row: &Row) -> String {
    format!("{} {} {} {}", row.user, row.at_ms, row.action, row.item)
}

const SCHEMA: &str = r#"{ "space": "shop", "fields": { "category": { "kind": "category" }, "tags": { "kind": "tags" },
      "price": { "kind": "number", "scale": "log" } },
    "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 }, "dwell": { "weight": 1 } },
    "labels": { "click": { "positive": ["open"], "windowMinutes": 30 } }, "surfaces": ["home"] }"#;
const MAPPING: &str = r#"
[events]
user = "uid"
item = "sku"
time = "ts"
time_format = "s"
action = "type"
actions = { view = "impression", click = "open", scroll = "" }
position = "pos"

[items]
id = "sku"

[items.fields]
category = "cat"
tags = { column = "labels", separator = ";" }
price = "cny"
"#;
const ITEMS: &str = "sku,cat,labels,cny\na,女装,新品; 包邮,129\nb,鞋,,\n";

fn shop(items: &str, events: &str, most: f64) -> anyhow::Result<Taken> {
    let dir = folder(&[("items.csv", items), ("events.csv", events)]);
    let mapping = Mapping::parse(MAPPING)?;
    tables(&mapping, SCHEMA, &[dir.path().join("events.csv")], &[dir.path().join("items.csv")], most)
}

#[test]
fn columns_become_fields_and_events() {
    let events = "ts,uid,sku,type,pos\n1700000000,1,a,view,3.0\n1700000001,1,a,scroll,\n1700000002,1,a,click,\n";
    let (items, events, rows) = shop(ITEMS, events, 0.0).expect("a data set");
    assert_eq!(items[0]["tags"], serde_json::json!(["新品", "包邮"]));
    assert_eq!(items[0]["price"], serde_json::json!(129.0));
    assert!(items[1].get("price").is_none());
    assert_eq!(events.len(), 2, "what is mapped to nothing is left out");
    assert_eq!((events[0].at_ms, events[0].position), (1_700_000_000_000, Some(3)));
    assert_eq!((events[0].action.as_str(), events[1].action.as_str()), ("impression", "open"));
    assert_eq!(rows.bad, 0);
}

#[test]
fn rows_that_say_nothing_usable_are_bad() {
    let events = "ts,uid,sku,type,pos\n1700000000,1,zz,view,\nsoon,1,a,view,\n1700000000,1,a,buy,\n1700000000,1,a,view,-1\n\
        1700000000000,1,a,view,\n1700000000,,a,view,\n1700000000,1,a\n1700000000,1,a,view,\n";
    let (_, kept, rows) = shop(ITEMS, events, 0.9).expect("most may be bad");
    assert_eq!((kept.len(), rows.bad), (1, 7));
    assert!(shop(ITEMS, events, 0.01).is_err());
    let (_, _, rows) =
        shop("sku,cat,labels,cny\na,x,,\na,y,,\nb,x,,dear\n", "ts,uid,sku,type,pos\n", 0.9).expect("read");
    assert_eq!(rows.bad, 2, "an item that stands twice, and a price that is none");
}

#[test]
fn what_the_mapping_names_must_be_there() {
    let refusal = |items: &str, events: &str| shop(items, events, 0.0).map(|_| ()).expect_err("refused").to_string();
    assert!(refusal(ITEMS, "ts,uid,type,pos\n").contains("no column `sku`; it has: ts, uid, type, pos"));
    assert!(refusal("sku,labels,cny\n", "").contains("`cat`"));
    let mapping = Mapping::parse(&MAPPING.replace("\"open\"", "\"tap\"")).expect("a mapping");
    let dir = folder(&[("e.csv", "ts,uid,sku,type,pos\n"), ("i.csv", ITEMS)]);
    let refusal = tables(&mapping, SCHEMA, &[dir.path().join("e.csv")], &[dir.path().join("i.csv")], 0.0);
    assert!(refusal.map(|_| ()).expect_err("refused").to_string().contains("no action `tap`"));
}

/// The same rows in each of the forms that a table may have.
#[test]
fn csv_json_lines_and_parquet_say_the_same() {
    let mapping = r#"
        events = { user = "user", item = "item.id", time = "at", action = { always = "impression" }, surface = "page", prior = "score",
            outcomes = [{ column = "clicked", action = "open", after_ms = 5 }] }
        items = { id = "item.id", fields = { category = "cat", tags = "tags" } }
    "#;
    let mapping = Mapping::parse(mapping).expect("a mapping");
    let csv = "user,item.id,at,page,score,clicked,cat,tags\nu,a,1700000000000,home,0.5,1,鞋,new|low\nu,b,1700000000900,,,0,,\n";
    let jsonl = "{\"user\":\"u\",\"item\":{\"id\":\"a\"},\"at\":1700000000000,\"page\":\"home\",\"score\":0.5,\"clicked\":true,\"cat\":\"鞋\",\"tags\":[\"new\",\"low\"]}\n\
        {\"user\":\"u\",\"item\":{\"id\":\"b\"},\"at\":1700000000900,\"clicked\":false,\"tags\":null}\n";
    let dir = folder(&[("t.csv", csv), ("t.jsonl", jsonl)]);
    write_parquet(&dir.path().join("t.parquet"));
    let read = |name: &str| tables(&mapping, SCHEMA, &[dir.path().join(name)], &[], 0.0).expect("a data set");
    let (items, events, _) = read("t.csv");
    assert_eq!(items[0], serde_json::json!({ "id": "a", "category": "鞋", "tags": ["new", "low"] }));
    let lines: Vec<String> = events.iter().map(line).collect();
    assert_eq!(lines, ["u 1700000000000 impression a", "u 1700000000005 open a", "u 1700000000900 impression b"]);
    assert_eq!((events[0].surface.as_deref(), events[0].prior), (Some("home"), Some(0.5)));
    for form in ["t.jsonl", "t.parquet"] {
        let (other_items, other_events, rows) = read(form);
        assert_eq!((other_items, other_events, rows.bad), (items.clone(), events.clone(), 0), "{form}");
    }
}

/// The table of the test above, its columns in another order, its time an instant.
fn write_parquet(path: &Path) {
    use parquet::data_type::{BoolType, ByteArray, ByteArrayType, FloatType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    let message = "message schema { required int64 at (TIMESTAMP(MILLIS,true)); required binary user (UTF8);
        required binary item.id (UTF8); optional binary page (UTF8); optional float score; required boolean clicked;
        optional binary cat (UTF8); optional binary tags (UTF8); }";
    let schema = parquet::schema::parser::parse_message_type(message).expect("a schema");
    let properties = WriterProperties::builder().set_compression(parquet::basic::Compression::SNAPPY).build();
    let file = std::fs::File::create(path).expect("a file");
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    let bytes = |texts: &[&str]| texts.iter().map(|t| ByteArray::from(t.as_bytes().to_vec())).collect::<Vec<_>>();
    let words = [
        (1, vec!["u", "u"], None),
        (2, vec!["a", "b"], None),
        (3, vec!["home"], Some([1, 0])),
        (6, vec!["鞋"], Some([1, 0])),
        (7, vec!["new|low"], Some([1, 0])),
    ];
    let mut number = 0;
    while let Some(mut column) = group.next_column().expect("a column") {
        let levels = Some(&[1i16, 0][..]);
        let written = match number {
            0 => column.typed::<Int64Type>().write_batch(&[1_700_000_000_000, 1_700_000_000_900], None, None),
            4 => column.typed::<FloatType>().write_batch(&[0.5], levels, None),
            5 => column.typed::<BoolType>().write_batch(&[true, false], None, None),
            n => {
                let (_, texts, given) = words.iter().find(|w| w.0 == n).expect("a column of words");
                column.typed::<ByteArrayType>().write_batch(&bytes(texts), given.as_ref().map(|g| &g[..]), None)
            }
        };
        written.expect("written");
        column.close().expect("closed");
        number += 1;
    }
    group.close().expect("closed");
    writer.close().expect("closed");
}

#[test]
fn files_that_are_not_what_their_name_says_are_refused() {
    let mapping = Mapping::parse(MAPPING).expect("a mapping");
    let dir = folder(&[("i.csv", ITEMS), ("e.parquet", "PAR1 no"), ("e.jsonl", "[1]\nnot json\n")]);
    let read = |name: &str| {
        let taken = tables(&mapping, SCHEMA, &[dir.path().join(name)], &[dir.path().join("i.csv")], 0.0);
        taken.map(|_| ()).expect_err("refused").to_string()
    };
    assert!(read("e.parquet").contains("e.parquet"));
    assert!(read("e.jsonl").contains("2 of 4 rows are bad"), "{}", read("e.jsonl"));
    assert!(read("none.csv").contains("none.csv"));
}

#[test]
fn every_preset_is_a_mapping_of_its_schema() {
    for one in [presets::OPEN_BANDIT, presets::KUAIRAND, presets::AVAZU, presets::CRITEO] {
        let mapping = one.mapping().unwrap_or_else(|e| panic!("{}: {e}", one.name));
        let schema = Schema::open(one.schema).unwrap_or_else(|e| panic!("{}: {e}", one.name));
        assert!(mapping.items.fields.keys().all(|f| schema.field(f).is_ok()), "{}", one.name);
    }
    assert!(Schema::open(mind::SCHEMA).is_ok());
}

/// Layout: the data set's README (Saito et al., arXiv 2008.07146).
#[test]
fn open_bandit() {
    let affinities: String = (0..2).map(|i| format!(",user-item_affinity_{i}")).collect();
    let log = format!(
        ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,user_feature_2,user_feature_3{affinities}\n\
         0,2019-11-24 00:00:17.004101+00:00,1,2,0,0.087125,81ce,03a5,7bc9,c39b,0.0,1.0\n\
         1,2019-11-24 00:00:19+00:00,0,1,1,0.5,81ce,03a5,7bc9,c39b,0.0,0.0\n"
    );
    let items = ",item_id,item_feature_0,item_feature_1,item_feature_2,item_feature_3\n0,0,-0.499,527a,5e92,84fd\n1,1,0.25,84c5,5e92,84fd\n";
    let dir = folder(&[("all.csv", &log), ("item_context.csv", items)]);
    let (items, events, _) =
        preset(&presets::OPEN_BANDIT, &[dir.path().join("all.csv")], &[dir.path().join("item_context.csv")]);
    assert_eq!((items.len(), &items[0]["feature1"]), (2, &"527a".into()));
    assert_eq!(line(&events[0]), "81ce/03a5/7bc9/c39b 1574553617004 seen 1");
    assert_eq!((events[0].position, events[0].propensity, events[0].value), (Some(1), Some(0.087_125), Some(0.0)));
    assert_eq!((events[1].position, events[1].propensity, events[1].value), (Some(0), Some(0.5), Some(1.0)));
}

/// Layout: the data set's description of log_*.csv and video_features_basic_*.csv (Gao et al., CIKM 2022).
#[test]
fn kuairand() {
    let log = "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,play_time_ms,\
        duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n\
        17387,11,20220421,400,1650485801301,1,0,0,0,0,0,1,151024,104400,0,0,0,0,1\n\
        17387,12,20220421,400,1650485901301,0,0,0,0,0,1,0,0,9000,0,0,0,1,1\n";
    let videos = "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width,server_height,music_id,music_type,tag\n\
        11,7,NORMAL,2022-04-01,LongImport,1,104400.0,720,1280,5,9.0,\"1,28\"\n12,8,AD,2022-04-02,ShortImport,1,,720,1280,6,4.0,\n";
    let dir = folder(&[("log.csv", log), ("video.csv", videos)]);
    let (items, events, _) = preset(&presets::KUAIRAND, &[dir.path().join("log.csv")], &[dir.path().join("video.csv")]);
    assert_eq!(items[0]["tags"], serde_json::json!(["1", "28"]));
    assert!(items[1].get("duration").is_none());
    let lines: Vec<String> = events.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "17387 1650485801301 impression 11",
            "17387 1650485802301 open 11",
            "17387 1650485819301 dwell 11",
            "17387 1650485901301 impression 12",
            "17387 1650485903301 hide 12",
        ]
    );
    assert_eq!(events[2].dwell_ms, Some(151_024));
}

/// Layout: the header of the competition's train.csv.
#[test]
fn avazu() {
    let train = "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,device_id,device_ip,\
        device_model,device_type,device_conn_type,C14,C15,C16,C17,C18,C19,C20,C21\n\
        1000009418151094273,0,14102100,1005,0,1fbe01fe,f3845767,28905ebd,ecad2386,7801e8d9,07d7df22,a99f214a,ddd2926e,44956a24,1,2,\
        15706,320,50,1722,0,35,-1,79\n\
        10000169349117863715,1,14102123,1005,0,1fbe01fe,f3845767,28905ebd,ecad2386,7801e8d9,07d7df22,a99f214a,ddd2926e,44956a24,1,0,\
        15706,320,50,1722,0,35,100084,79\n";
    let dir = folder(&[("train.csv", train)]);
    let (items, events, _) = preset(&presets::AVAZU, &[dir.path().join("train.csv")], &[]);
    assert_eq!((items.len(), &items[0]["campaign"]), (1, &"1722".into()));
    let at: Vec<_> = events.iter().map(|e| (e.at_ms, e.value)).collect();
    assert_eq!(at, [(1_413_849_600_000, Some(0.0)), (1_413_932_400_000, Some(1.0))]);
}

/// Layout: the data sets' own description: label, 13 integers and 26 words between tabs, missing ones empty.
#[test]
fn criteo() {
    let row = |label: u8, word: &str| {
        let numbers = "\t1\t\t-1".to_string() + &"\t0".repeat(10);
        let words: String =
            (1..=26).map(|i| if i % 7 == 3 { "\t".into() } else { format!("\t{word}{i:06x}") }).collect();
        format!("{label}{numbers}{words}\n")
    };
    let dir = folder(&[("day_0", &(row(0, "a0") + &row(1, "b1") + &row(1, "a0")))]);
    let (items, events, _) = preset(&presets::CRITEO, &[dir.path().join("day_0")], &[]);
    assert_eq!(items.len(), 2, "the same words are the same item");
    assert_eq!(items[0]["c2"], "a0000002");
    assert_eq!(items[0].get("c17"), None, "a missing word is no field");
    let users: Vec<&str> = events.iter().map(|e| e.user.as_str()).collect();
    assert_eq!(users, ["row 0", "row 1", "row 2"]);
    assert_eq!(events[2].at_ms - events[0].at_ms, 2_000);
    assert_eq!((events[0].value, events[2].value), (Some(0.0), Some(1.0)));
}

/// Layout: the data set's own description of behaviors.tsv and news.tsv (Wu et al., ACL 2020).
#[test]
fn mind_slates_and_histories() {
    let news = "N1\tsports\tfootball\tOne\tabstract\turl\t[]\t[]\nN2\tnews\tworld\tTwo \"quoted\n\
        N3\tnews\tworld\tThree\tabstract\turl\t[]\t[]\n";
    let behaviours = "1\tU1\t11/15/2019 8:55:22 AM\tN1 N2\tN3-1 N1-0\n2\tU1\t11/15/2019 9:55:22 AM\tN1 N2\tN2-0\n\
        3\tU2\t11/15/2019 8:55:22 PM\t\tN9-0\n";
    let dir = folder(&[
        ("train/news.tsv", news),
        ("train/behaviors.tsv", behaviours),
        ("dev/news.tsv", news),
        ("dev/behaviors.tsv", "1\tU1\t11/15/2019 11:55:22 AM\tN1 N2\tN1-0\n"),
    ]);
    let (train, dev) = (dir.path().join("train"), dir.path().join("dev"));
    let (items, events, rows) = take(0.5, |rows, sorter| {
        let items = mind::read_items(&[&train, &dev], rows)?;
        mind::read_events(&[(&train, Split::Train), (&dev, Split::Test)], &items, rows, sorter)?;
        Ok(items)
    })
    .expect("a data set");
    assert_eq!((items.len(), &items[1]["subcategory"]), (3, &"world".into()));
    assert_eq!(rows.bad, 1, "an article that is not in the news");
    let lines: Vec<String> = events.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "U1 1573257480000 open N1",
            "U1 1573257540000 open N2",
            "U1 1573808122000 impression N3",
            "U1 1573808122000 impression N1",
            "U1 1573808123000 open N3",
            "U1 1573811722000 impression N2",
            "U1 1573818922000 impression N1",
        ]
    );
    let slates: Vec<_> = events.iter().map(|e| e.slate).collect();
    assert_eq!(slates, [None, None, Some(0), Some(0), Some(0), Some(1), Some(2)]);
    assert_eq!(events[6].split, Split::Test);
}

#[test]
fn parts_by_time_and_by_user() {
    assert!("80/10".parse::<Shares>().is_err() && "80/10/20".parse::<Shares>().is_err());
    let shares: Shares = "60/20/20".parse().expect("shares");
    let parts = |cut| {
        let dir = tempfile::tempdir().expect("a folder");
        let mut sorter = Sorter::new(dir.path().to_path_buf());
        for i in 0..100i64 {
            let user = format!("u{}", i * 37 % 50);
            sorter.push(Row {
                user,
                at_ms: 1_700_000_000_000 + i * 61 % 100,
                action: "rate".into(),
                item: "1".into(),
                ..Row::default()
            });
        }
        let meta =
            write(dir.path(), movielens::SCHEMA, &[], sorter, cut, &Rows::new(0.0), "x".into()).expect("written");
        let text = std::fs::read_to_string(dir.path().join("events.csv")).expect("events");
        let rows: Vec<(String, i64, String)> = text
            .lines()
            .skip(1)
            .map(|l| {
                let fields: Vec<&str> = l.split(',').collect();
                (fields[0].to_string(), fields[1].parse().expect("a time"), fields[11].to_string())
            })
            .collect();
        (meta, rows)
    };
    let (meta, rows) = parts(Cut::ByTime(shares));
    assert_eq!(meta.splits.values().copied().collect::<Vec<_>>(), [20, 60, 20]);
    let latest = |part: &str| rows.iter().filter(|r| r.2 == part).map(|r| r.1).max();
    let earliest = |part: &str| rows.iter().filter(|r| r.2 == part).map(|r| r.1).min();
    assert!(latest("train") < earliest("valid") && latest("valid") < earliest("test"));
    let (meta, rows) = parts(Cut::ByUser(shares));
    assert_eq!(meta.splits.len(), 3, "every part has users");
    assert!(rows.chunk_by(|a, b| a.0 == b.0).all(|user| user.iter().all(|r| r.2 == user[0].2)));
}
