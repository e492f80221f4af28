# One case with lme4, as worker.py does one with a Python package:
#   Rscript lme4.R KIND FORMULA FOLDER REPEATS BUDGET DERIVATIVES REPLICATES SAMPLE
# KIND is fit, core or refit; DERIVATIVES is TRUE for lme4's own default, checks by finite differences.
suppressPackageStartupMessages(library(lme4))
arguments <- commandArgs(trailingOnly = TRUE)
kind <- arguments[1]
formula <- as.formula(arguments[2])
folder <- arguments[3]
repeats <- as.integer(arguments[4])
budget <- as.numeric(arguments[5])
control <- lmerControl(calc.derivs = as.logical(arguments[6]))
replicates <- as.integer(arguments[7])
sample <- as.integer(arguments[8])
long <- 8 # seconds of a first call that counts, as in worker.py
say <- function(text) cat("benchmark: ", text, "\n", sep = "")

# The data, laid down by data.py.
columns <- read.delim(file.path(folder, "columns.txt"), header = FALSE, stringsAsFactors = FALSE)
data <- list()
for (i in seq_len(nrow(columns))) {
  name <- columns[i, 1]
  type <- if (columns[i, 2] == "number") "double" else "integer"
  values <- readBin(file.path(folder, name), type, columns[i, 3])
  if (startsWith(columns[i, 2], "factor")) {
    levels <- readLines(file.path(folder, paste0(name, ".levels")))
    values <- structure(values, levels = levels, class = "factor")
  }
  data[[name]] <- values
}
data <- structure(data, class = "data.frame", row.names = seq_len(columns[1, 3]))
say("ready")

quietly <- function(expression) suppressWarnings(suppressMessages(expression))
fit <- function() quietly(lmer(formula, data, REML = FALSE, control = control))
if (kind == "fit") {
  call <- function() deviance(fit())
} else if (kind == "core") {
  parsed <- quietly(lFormula(formula, data, REML = FALSE, control = control))
  call <- function() quietly({
    objective <- do.call(mkLmerDevfun, c(parsed, list(control = control)))
    found <- optimizeLmer(objective, control = control$optCtrl, calc.derivs = control$calc.derivs)
    deviance(mkMerMod(environment(objective), found, parsed$reTrms, fr = parsed$fr))
  })
} else {
  fitted <- fit()
  statistic <- function(refitted) c(sigma(refitted), fixef(refitted), getME(refitted, "theta"))
  call <- function() mean(quietly(bootMer(fitted, statistic, nsim = sample, seed = 1))$t[, 1])
}

invisible(gc())
try(cat("5", file = "/proc/self/clear_refs"), silent = TRUE)
now <- function() as.numeric(Sys.time())
start <- now()
answer <- call()
first <- now() - start
say("first")
seconds <- if (first > long) first else numeric(0)
began <- now()
while (first <= long && length(seconds) < repeats) {
  start <- now()
  if (length(seconds) > 0 && start - began > budget) break
  answer <- call()
  seconds <- c(seconds, now() - start)
}
scale <- if (kind == "refit") replicates / sample else 1
note <- if (kind == "refit") sprintf("scaled from %d refits", sample) else ""
status <- tryCatch(readLines("/proc/self/status"), error = function(e) character(0))
peak <- sub("[^0-9]*([0-9]+).*", "\\1", grep("^VmHWM", status, value = TRUE))
say(sprintf(
  '{"seconds": [%s], "objective": %.9f, "version": "%s", "peak": %s, "note": "%s", "blas": "%s"}',
  paste(format(scale * seconds, digits = 6, trim = TRUE), collapse = ", "), if (is.finite(answer)) answer else NaN,
  packageVersion("lme4"), if (length(peak)) as.numeric(peak) / 1e6 else "NaN", note, basename(La_library())
))
