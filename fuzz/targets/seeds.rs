//! Writes sound inputs of every target, small ones: what the search begins with.

#[path = "../../tests/hostile/seeds.rs"]
mod seeds;
#[path = "../../tests/hostile/subjects.rs"]
#[allow(dead_code)]
mod subjects;

fn main() -> std::io::Result<()> {
    for (subject, name, bytes) in seeds::seeds() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(subject);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}
