//! The folder with a file for each tenant.

use std::path::PathBuf;

use super::{Files, Mistakes, Settings, places};

/// A configuration that names a folder, and that folder.
struct Tree {
    files: Files,
    folder: PathBuf,
}

impl Tree {
    /// `more` is what the configuration says beside the folder.
    fn new(more: &str, tenants: &[(&str, &str)]) -> Self {
        let files = Files::new(&[""]);
        let folder = files.folder.path().join("t");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&files.paths[0], format!("tenants_dir = {folder:?}\n{more}")).unwrap();
        let tree = Self { files, folder };
        for (name, text) in tenants {
            tree.write(name, text);
        }
        tree
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    fn load(&self) -> Result<Settings, Mistakes> {
        self.files.load(&[("T", "t")])
    }

    /// Place and key of each mistake.
    fn mistakes(&self) -> Vec<(String, String)> {
        places(self.load())
    }
}

fn owned(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(place, key)| ((*place).to_owned(), (*key).to_owned())).collect()
}

const URL: &str = "upstream.url = \"ws://h/{tenant}\"\n";

#[test]
fn each_file_is_one_tenant_beside_those_of_the_list() {
    let more = format!("{URL}[[tenants]]\nid = \"z\"");
    let tree = Tree::new(&more, &[("b.toml", "id = \"b\"\nenabled = false"), ("a.toml", "bearer = { env = \"T\" }")]);
    let settings = tree.load().unwrap();
    let tenants: Vec<_> = settings.tenants.iter().map(|tenant| &tenant.config).collect();
    let told: Vec<_> = tenants.iter().map(|config| (config.id.as_str(), config.url.as_str(), config.enabled)).collect();
    assert_eq!(told, [("z", "ws://h/z", true), ("a", "ws://h/a", true), ("b", "ws://h/b", false)]);
    assert!(tenants[1].bearer.is_some());
    assert_eq!(settings.tenants_dir, Some(tree.folder.clone()));
    let effective = settings.effective.to_string();
    // What is shown means the same when it is read.
    let read = Files::new(&[&effective]).load(&[("T", "t")]).unwrap();
    let ids: Vec<_> = read.tenants.iter().map(|tenant| tenant.config.id.as_str()).collect();
    assert_eq!(ids, ["z", "a", "b"]);
    assert!(effective.contains(&format!("# {}\n", tree.folder.join("a.toml").display())), "{effective}");
}

#[test]
fn what_is_no_visible_file_of_toml_is_ignored() {
    let tree = Tree::new(URL, &[(".b.toml", "]"), ("c.toml~", "]"), ("d.txt", "]"), ("..data", "]")]);
    std::fs::create_dir(tree.folder.join("e.toml")).unwrap();
    assert_eq!(tree.load().unwrap().tenants.len(), 0);
}

#[test]
fn files_that_a_link_leads_to_are_read() {
    let tree = Tree::new(URL, &[]);
    std::fs::create_dir(tree.folder.join("..1")).unwrap();
    tree.write("..1/a.toml", "");
    std::os::unix::fs::symlink("..1", tree.folder.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/a.toml", tree.folder.join("a.toml")).unwrap();
    assert_eq!(tree.load().unwrap().tenants[0].config.id.as_str(), "a");
    // One that leads nowhere was meant to be a tenant.
    std::os::unix::fs::symlink("..2/b.toml", tree.folder.join("b.toml")).unwrap();
    assert_eq!(tree.mistakes(), owned(&[("b.toml", "")]));
}

#[test]
fn every_mistake_is_listed_with_its_file_and_line() {
    let tree =
        Tree::new("", &[("a.toml", "url = \"ws://h/\"\nbearer = \"a b\"\nheaders.Host = \"h\"\n"), ("b.toml", "\n]")]);
    tree.write("c.toml", "bearers = \"t\"");
    tree.write("d.toml", "id = \"e\"\nurl = \"ws://h/\"");
    tree.write("E.toml", "url = \"ws://h/\"");
    tree.write("f.toml", b"url = \"\xff\"");
    let expected = [
        ("E.toml:1", ""),
        ("a.toml:2", "bearer"),
        ("a.toml:3", "headers.Host"),
        ("b.toml:2", ""),
        ("c.toml:1", "url"),
        ("c.toml:1", "bearers"),
        ("d.toml:1", "id"),
        ("f.toml", ""),
    ];
    assert_eq!(tree.mistakes(), owned(&expected));
}

#[test]
fn an_id_is_given_once() {
    let more = format!("{URL}[[tenants]]\nid = \"a\"\n[[tenants]]\nid = \"b\"");
    let tree = Tree::new(&more, &[("a.toml", ""), ("b.toml", "enabled = true\nid = \"b\"")]);
    assert_eq!(tree.mistakes(), owned(&[("a.toml:1", "id"), ("b.toml:2", "id")]));
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let tree = Tree::new(URL, &[]);
    tree.write("a.toml", vec![b'#'; 1 << 20]);
    assert!(tree.load().is_ok());
    tree.write("a.toml", vec![b'#'; (1 << 20) + 1]);
    assert_eq!(tree.mistakes(), owned(&[("a.toml", "")]));
}

#[test]
fn a_folder_that_is_not_there_is_a_mistake() {
    let tree = Tree::new(URL, &[]);
    std::fs::remove_dir(&tree.folder).unwrap();
    assert_eq!(tree.mistakes(), owned(&[("0.toml:1", "tenants_dir")]));
    std::fs::write(&tree.folder, "").unwrap();
    assert_eq!(tree.mistakes(), owned(&[("0.toml:1", "tenants_dir")]));
}

#[test]
fn secrets_of_a_file_are_not_shown() {
    let tree = Tree::new(URL, &[("a.toml", "bearer = \"s3cr3t\"")]);
    let settings = tree.load().unwrap();
    assert!(!format!("{settings:?}{}", settings.effective).contains("s3cr3t"));
    for text in ["bearer = \"s3cr3t s3cr3t\"", "proxy = \"s3cr3t\"", "beerer = \"s3cr3t\"", "bearer = \"s3cr3t"] {
        tree.write("a.toml", text);
        let mistakes = tree.load().unwrap_err();
        assert!(!format!("{mistakes}{mistakes:?}").contains("s3cr3t"), "{text}: {mistakes}");
    }
}
