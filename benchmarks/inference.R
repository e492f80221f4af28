# What degrees of freedom cost in R: Rscript inference.R DATA.csv FORMULA FACTORS REPEATS METHODS, where FACTORS are the
# columns that are factors and METHODS the wanted ones of satterthwaite, kenward-roger, separated by commas.
# Prints "name median-seconds" lines: the fit, and each table of coefficients after it.
suppressPackageStartupMessages({library(lmerTest); library(pbkrtest)})
arguments <- commandArgs(trailingOnly = TRUE)
data <- read.csv(arguments[1])
for (name in strsplit(arguments[3], ",")[[1]]) data[[name]] <- factor(data[[name]])
formula <- as.formula(arguments[2])
repeats <- as.integer(arguments[4])
seconds <- function(call) {
  median(replicate(repeats, {
    start <- as.numeric(Sys.time())
    suppressWarnings(suppressMessages(call()))
    as.numeric(Sys.time()) - start
  }))
}
fit <- suppressMessages(lme4::lmer(formula, data))
cat("fit", seconds(function() lme4::lmer(formula, data)), "\n")
methods <- strsplit(arguments[5], ",")[[1]]
if ("satterthwaite" %in% methods)
  cat("satterthwaite", seconds(function() coef(summary(as_lmerModLmerTest(fit)))), "\n")
if ("kenward-roger" %in% methods) {
  test <- as_lmerModLmerTest(fit)
  cat("kenward-roger", seconds(function() coef(summary(test, ddf = "Kenward-Roger"))), "\n")
}
