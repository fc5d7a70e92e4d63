//! `zhiji head`: a bundle → the same bundle with a personal head whose prior fits its users.

use crate::commands::files::write_atomically;
use crate::lab::dataset::Dataset;
use crate::lab::prior::{self, Options, Shape};
use crate::lab::rows::Rows;
use anyhow::Context as _;
use std::path::PathBuf;
use std::rc::Rc;
use zhiji::features::Layout;

/// Options of the command.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  zhiji head films-colduser --bundle like.safetensors --of item --out personal.safetensors\n  \
    zhiji head shop --bundle click.safetensors --of item --features category.rate@30d,recent.likeness --out personal.safetensors\n\n\
    Mean and covariance of the users' tastes come from the part `train`, how far they are shrunk from `valid`; `test` is not looked at.\n\
    What is learnt of a user stays on that user's phone: the bundle gets what all users have in common."
)]
pub struct Args {
    /// The lab directory that the bundle was trained on.
    dir: PathBuf,
    /// The bundle.
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// The block whose numbers are the vectors of the items: any that depends on the item alone.
    #[arg(long, value_name = "BLOCK")]
    of: Option<String>,
    /// Dense features that the head reads beside, comma-separated.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    features: Vec<String>,
    /// Let the head have a constant of its own. It follows a user's last labels up and down, which seldom pays.
    #[arg(long)]
    intercept: bool,
    /// Choose by GAUC, and not by log-loss.
    #[arg(long)]
    by_gauc: bool,
    /// Steps of expectation-maximisation.
    #[arg(long, default_value_t = Options::default().steps)]
    steps: usize,
    /// The bundle to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The largest share of rows that may be bad.
    #[arg(long, default_value_t = 0.01)]
    bad_rows: f64,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut rows = Rows::new(args.bad_rows);
    let data = Dataset::open(&args.dir, &mut rows)?;
    let layout = Rc::new(Layout::new(&data.schema));
    let bundle = std::fs::read(&args.bundle).with_context(|| format!("cannot read {}", args.bundle.display()))?;
    let shape = Shape { of: args.of, features: args.features, intercept: args.intercept };
    let options = Options { steps: args.steps, by_gauc: args.by_gauc, ..Options::default() };
    let (bytes, fitted) = prior::fit_bundle(&data, &layout, &bundle, &shape, &options, &mut rows)?;
    write_atomically(&args.out, &bytes)?;
    let weights = if fitted.independent { "independent" } else { "correlated" };
    println!(
        "{} {weights} weights; deviations times {:.2}, mean times {:.2}, trust {}",
        fitted.mean.len(),
        fitted.scale,
        fitted.mean_scale,
        fitted.trust
    );
    for (name, figures) in [("frozen", &fitted.frozen), ("with the head", &fitted.personal)] {
        let (auc, gauc) = (figures.auc.unwrap_or(f64::NAN), figures.gauc.unwrap_or(f64::NAN));
        println!("{name}: AUC {auc:.4}, GAUC {gauc:.4}, log-loss {:.4} on `valid`", figures.log_loss);
    }
    println!("{}: {} bytes", args.out.display(), bytes.len());
    Ok(())
}
