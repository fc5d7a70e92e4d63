//! Reads the project's Markdown.

use std::collections::BTreeSet;
use std::path::Path;

/// The text under a heading, up to the next heading of the same or a higher level.
pub fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let title = format!("\n## {heading}\n");
    let start = text.find(&title).unwrap_or_else(|| panic!("there is no `## {heading}`")) + title.len();
    let rest = &text[start..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

/// The names in backticks in the first column of every table.
pub fn first_column(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix('|'));
    let cells = lines.filter_map(|line| line.split('|').next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Files that a page names, by a link or in backticks, and that do not exist.
pub fn missing_files(root: &Path, page: &Path, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let links = links(line).into_iter().map(|target| (target, page.parent().unwrap_or(root).join(target)));
        let quoted =
            line.split('`').skip(1).step_by(2).filter(|text| is_path(root, text)).map(|text| (text, root.join(text)));
        for (target, path) in links.chain(quoted) {
            if !path.exists() && !is_built(target) {
                findings.push(format!("{}:{}: there is no {target}", page.display(), number + 1));
            }
        }
    }
    findings
}

/// Targets of links to files of the project, without the part after `#`.
fn links(line: &str) -> Vec<&str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    targets
        .filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty() && !target.contains(':'))
        .collect()
}

/// Whether a quoted text is a path from the root: it begins with one of its folders, and holds no pattern or placeholder.
fn is_path(root: &Path, text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    let folder = text.split_once('/').map(|(folder, _)| folder);
    plain && folder.is_some_and(|folder| !folder.is_empty() && folder != ".." && root.join(folder).is_dir())
}

/// Whether a path lies where builds write.
fn is_built(path: &str) -> bool {
    ["target/", "pkg/", "node_modules/", "miniprogram/miniprogram_npm/"].iter().any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_links_and_paths_are_found_and_present_ones_pass() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let page = root.join("xtask/page.md");
        let fine = "See `xtask/Cargo.toml`, [the root](../Cargo.toml#package), <https://a.b/c>, [x](https://a.b), `a/b`, `src/<name>`,\n\
                    `target/demo/x` and\n```\n`xtask/none.rs`\n```";
        assert_eq!(missing_files(root, &page, fine), [""; 0]);
        for bad in ["`xtask/none.rs`", "[x](none.md)", "text [x](../xtask/none.md#part) text"] {
            assert_eq!(missing_files(root, &page, bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn sections_and_columns() {
        let text = "# a\n\n## Dependencies\n\n| what | why |\n|---|---|\n| `x`, `y` | `z` |\n### deeper\n| `w` | |\n## next\n| `v` | |";
        assert_eq!(first_column(section(text, "Dependencies")), ["w", "x", "y"].map(str::to_owned).into());
    }
}
