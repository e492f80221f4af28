# One case with lme4: Rscript lme4.R DATA.csv FORMULA FACTORS REPEATS, where FACTORS are the columns that are factors.
# Prints one JSON object, like worker.py; the data are in memory before the clock starts.
suppressPackageStartupMessages(library(lme4))
arguments <- commandArgs(trailingOnly = TRUE)
data <- read.csv(arguments[1])
for (name in strsplit(arguments[3], ",")[[1]]) data[[name]] <- factor(data[[name]])
formula <- as.formula(arguments[2])
call <- function() suppressWarnings(suppressMessages(lmer(formula, data, REML = FALSE)))
fit <- call()
seconds <- replicate(as.integer(arguments[4]), {
  start <- as.numeric(Sys.time())
  fit <<- call()
  as.numeric(Sys.time()) - start
})
cat(sprintf(
  '{"seconds": [%s], "deviance": %.9f, "version": "%s", "note": "%s"}\n',
  paste(format(seconds, digits = 6), collapse = ", "), deviance(fit), packageVersion("lme4"),
  basename(La_library())
))
