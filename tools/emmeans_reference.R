# Writes tests/reference/emmeans.json: marginal means and contrasts by R's emmeans for lmer fits.
# Run in the root of the repository: Rscript tools/emmeans_reference.R

suppressMessages({
  library(lme4)
  library(lmerTest)
  library(emmeans)
  library(splines)
  library(jsonlite)
})

set.seed(20)
d <- expand.grid(f = c("a", "b", "c"), g = c("u", "v"), h = c("p", "q"), s = 1:8)
n <- nrow(d)
d$x <- round(runif(n, 1, 6), 3)
d$z <- round(rnorm(n, 10, 2), 3)
d$k <- rbinom(n, 1, 0.4)
d$r <- sample(c(2, 5, 9), n, TRUE)
d$w <- round(runif(n, 0.5, 2), 3)
d$plot <- paste0("P", d$s)
d$site <- c("N", "N", "N", "E", "E", "W", "W", "W")[d$s]
d$day <- sample(1:12, n, TRUE)
effect <- c(a = 0, b = 0.5, c = 0.9)[as.character(d$f)] + 0.4 * (d$g == "v") * (d$f != "b") +
  0.3 * d$x - 0.02 * d$x^2 + 0.2 * (d$h == "q") + 0.1 * d$k
d$y <- round(2 + effect + rnorm(8, 0, 0.5)[d$s] + 0.3 * rnorm(12)[d$day] + rnorm(n, 0, 0.4), 4)
d$e <- round(exp(d$y / 2), 4)
d$q <- round(d$y^2, 4)
unbalanced <- setdiff(seq_len(n), c(1:4, 10, 17, 30:33, 51, 60, 77))
missing_cell <- which(!(d$f == "c" & d$g == "v"))

models <- list(
  balanced = list("y ~ f * g + (1 | s)", seq_len(n)),
  unbalanced = list("y ~ f * g + x + (1 | s) + (1 | day)", unbalanced),
  missing_cell = list("y ~ f * g + x + (1 | s)", missing_cell),
  covariates = list("y ~ f + x + z + k + (1 | s)", unbalanced),
  covariate_interaction = list("y ~ f * x + g + (1 | s)", unbalanced),
  polynomial = list("y ~ f + poly(x, 2) * g + (1 | s)", unbalanced),
  spline = list("y ~ f * g + bs(x, df = 4) + (1 | s)", unbalanced),
  nested = list("y ~ f + site + plot + (1 | day)", unbalanced),
  nested_formula = list("y ~ f + g / h + (1 | s)", unbalanced),
  logarithm = list("log(e) ~ f * g + x + (1 | s)", unbalanced),
  logarithm_shifted = list("log(e + 1) ~ f + g + (1 | s)", unbalanced),
  log2 = list("log2(e) ~ f + g + (1 | s)", unbalanced),
  log10 = list("log10(e) ~ f + g + (1 | s)", unbalanced),
  square_root = list("sqrt(q) ~ f + g * x + (1 | s)", unbalanced),
  weighted = list("y ~ f * g + x + (1 | s)", unbalanced, weights = "w"),
  offset = list("y ~ f + g + offset(log(x)) + (1 | s)", unbalanced),
  three_factors = list("y ~ f * g * h + (1 | s)", unbalanced),
  numeric_factor = list("y ~ factor(r) * g + x + (1 | s)", unbalanced),
  no_intercept = list("y ~ 0 + f + g + x + (1 | s)", unbalanced),
  sum_contrasts = list("y ~ f * g + x + (1 | s)", unbalanced, contrasts = "sum"),
  random_slopes = list("y ~ f * g + x + (1 + x | s)", unbalanced),
  by_ml = list("y ~ f * g + x + (1 | s) + (1 | day)", unbalanced, reml = FALSE)
)

# Each request: model, arguments of emmeans or emtrends, then contrasts (method, adjust).
means <- function(model, specs, ..., by = NULL, contrasts = list()) {
  list(model = model, specs = specs, by = by, arguments = list(...), contrasts = contrasts)
}
all_adjustments <- lapply(
  c("tukey", "holm", "hochberg", "sidak", "bonferroni", "scheffe", "fdr", "none"),
  function(a) c("pairwise", a)
)
requests <- list(
  means("balanced", c("f", "g"), contrasts = all_adjustments),
  means("balanced", "f", by = "g", contrasts = list(c("pairwise", "tukey"), c("poly", "none"), c("eff", "fdr"),
    c("consec", "mvt"), c("trt.vs.ctrl", "mvt"))),
  means("balanced", "f", ddf = "kenward-roger", contrasts = all_adjustments),
  means("balanced", "f", ddf = "none", contrasts = c(all_adjustments, list(c("pairwise", "mvt")))),
  means("unbalanced", c("f", "g"), contrasts = all_adjustments),
  means("unbalanced", c("f", "g"), ddf = "kenward-roger", contrasts = all_adjustments),
  means("unbalanced", "f", weights = "proportional", contrasts = list(c("revpairwise", "tukey"))),
  means("unbalanced", "f", weights = "cells", contrasts = list(c("pairwise", "tukey"))),
  means("unbalanced", "f", at = list(x = c(2, 4)), by = "x", contrasts = list(c("pairwise", "tukey"))),
  means("unbalanced", "f", at = list(g = "v", f = c("a", "c")), contrasts = list(c("pairwise", "tukey"))),
  means("missing_cell", c("f", "g"), contrasts = all_adjustments),
  means("missing_cell", "f", by = "g", contrasts = all_adjustments),
  means("missing_cell", "f"),
  means("covariates", "f", contrasts = list(c("pairwise", "tukey"), c("eff", "fdr"))),
  means("covariates", "k", contrasts = list(c("pairwise", "tukey"))),
  means("covariates", "f", weights = "proportional"),
  means("covariates", "f", weights = "outer"),
  means("covariate_interaction", "f", contrasts = list(c("pairwise", "tukey"))),
  means("covariate_interaction", "f", at = list(x = 1.5), ddf = "kenward-roger", contrasts = list(c("pairwise", "holm"))),
  means("covariate_interaction", "f", var = "x", contrasts = list(c("pairwise", "tukey"))),
  means("covariate_interaction", "f", var = "x", ddf = "kenward-roger", contrasts = list(c("pairwise", "tukey"))),
  means("polynomial", "g", contrasts = list(c("pairwise", "tukey"))),
  means("polynomial", "g", by = "x", at = list(x = c(1.5, 3, 5)), contrasts = list(c("pairwise", "tukey"))),
  means("polynomial", "g", var = "x", contrasts = list(c("pairwise", "tukey"))),
  means("polynomial", c("g", "x"), var = "x", at = list(x = c(2, 4))),
  means("spline", c("f", "g"), contrasts = list(c("pairwise", "tukey"))),
  means("nested", "plot", contrasts = list(c("pairwise", "tukey"))),
  means("nested", "site", contrasts = list(c("pairwise", "tukey"))),
  means("nested", "f", contrasts = list(c("pairwise", "tukey"))),
  means("nested_formula", "h", contrasts = list(c("pairwise", "tukey"))),
  means("nested_formula", "g", contrasts = list(c("pairwise", "tukey"))),
  means("logarithm", "f", by = "g", contrasts = list(c("pairwise", "tukey"))),
  means("logarithm", "f", by = "g", type = "response", contrasts = list(c("pairwise", "tukey"), c("eff", "fdr"))),
  means("logarithm", "f", type = "response", bias_adjust = TRUE),
  means("logarithm_shifted", "f", type = "response", contrasts = list(c("pairwise", "tukey"))),
  means("log2", "f", type = "response", contrasts = list(c("pairwise", "tukey"))),
  means("log10", "f", type = "response", contrasts = list(c("pairwise", "tukey"))),
  means("square_root", "f", type = "response", contrasts = list(c("pairwise", "tukey"))),
  means("square_root", "f", type = "response", bias_adjust = TRUE),
  means("square_root", "g", var = "x", contrasts = list(c("pairwise", "tukey"))),
  means("weighted", c("f", "g"), contrasts = list(c("pairwise", "tukey"))),
  means("weighted", "f", weights = "proportional", contrasts = list(c("pairwise", "tukey"))),
  means("offset", "f", contrasts = list(c("pairwise", "tukey"))),
  means("three_factors", c("f", "g"), by = "h", contrasts = list(c("pairwise", "tukey"))),
  means("three_factors", "f", by = c("g", "h"), contrasts = list(c("pairwise", "tukey"), c("consec", "mvt"))),
  means("three_factors", "f", by = "h", ddf = "kenward-roger", contrasts = list(c("pairwise", "sidak"))),
  means("numeric_factor", c("r", "g"), contrasts = list(c("pairwise", "tukey"))),
  means("numeric_factor", "r", by = "g", contrasts = list(c("poly", "none"))),
  means("no_intercept", "f", contrasts = list(c("pairwise", "tukey"))),
  means("sum_contrasts", "f", by = "g", contrasts = list(c("pairwise", "tukey"))),
  means("random_slopes", c("f", "g"), contrasts = list(c("pairwise", "tukey"))),
  means("by_ml", c("f", "g"), contrasts = list(c("pairwise", "tukey"))),
  means("nested", "site", weights = "proportional"),
  means("nested", "f", weights = "proportional"),
  means("nested", "f", weights = "cells"),
  means("nested", c("plot", "f")),
  means("nested_formula", "f", contrasts = list(c("pairwise", "scheffe"))),
  means("missing_cell", "f", weights = "proportional"),
  means("missing_cell", "f", weights = "cells", contrasts = list(c("pairwise", "tukey"))),
  means("missing_cell", "f", weights = "flat", contrasts = list(c("pairwise", "tukey"))),
  means("three_factors", "f", by = "h", weights = "proportional"),
  means("three_factors", "f", weights = "outer"),
  means("three_factors", "f", at = list(g = "u"), by = "h", contrasts = list(c("trt.vs.ctrl", "mvt"))),
  means("covariates", c("f", "k"), at = list(z = c(8, 12)), contrasts = list(c("pairwise", "holm"))),
  means("covariates", "z", at = list(z = c(8, 10, 13)), contrasts = list(c("consec", "mvt"), c("poly", "none"))),
  means("spline", "f", var = "x", by = "g"),
  means("random_slopes", "f", var = "x", ddf = "kenward-roger"),
  means("logarithm", c("f", "g"), type = "response", ddf = "none", contrasts = list(c("pairwise", "bonferroni"))),
  means("weighted", "f", ddf = "none", contrasts = list(c("pairwise", "scheffe")))
)

control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10), calc.derivs = FALSE)
fit <- function(m) {
  rows <- d[m[[2]], ]
  if (identical(m$contrasts, "sum")) {
    rows$f <- factor(rows$f)
    rows$g <- factor(rows$g)
    contrasts(rows$f) <- contr.sum(3)
    contrasts(rows$g) <- contr.sum(2)
  }
  assign("rows", rows, globalenv())
  reml <- !identical(m$reml, FALSE)
  call <- if (is.null(m$weights)) {
    bquote(lmer(.(as.formula(m[[1]])), rows, REML = .(reml), control = control))
  } else {
    bquote(lmer(.(as.formula(m[[1]])), rows, REML = .(reml), weights = w, control = control))
  }
  suppressMessages(eval(call, globalenv()))
}

numbers <- function(table) {
  estimate <- intersect(c("emmean", "response", "estimate", "ratio", grep("trend$", names(table), value = TRUE)), names(table))[1]
  lower <- intersect(c("lower.CL", "asymp.LCL"), names(table))[1]
  upper <- intersect(c("upper.CL", "asymp.UCL"), names(table))[1]
  columns <- list(estimate = table[[estimate]], std_error = table$SE, df = table$df,
                  lower = table[[lower]], upper = table[[upper]])
  if (!is.null(table$p.value)) columns$p_value <- table$p.value
  lapply(columns, function(v) ifelse(is.finite(v), signif(v, 12), NA))
}

answer <- function(r) {
  fitted <- fit(models[[r$model]])
  a <- r$arguments
  ddf <- if (is.null(a$ddf)) "satterthwaite" else a$ddf
  emm_options(lmer.df = if (ddf == "none") "asymptotic" else ddf)
  call <- list(fitted, r$specs, by = r$by)
  for (name in c("at", "weights", "var")) if (!is.null(a[[name]])) call[[name]] <- a[[name]]
  found <- suppressMessages(do.call(if (is.null(a$var)) emmeans else emtrends, call))
  type <- if (is.null(a$type)) "link" else a$type
  bias <- isTRUE(a$bias_adjust)
  shown <- summary(found, infer = c(TRUE, FALSE), type = type, bias.adjust = bias, sigma = sigma(fitted))
  contrasts <- lapply(r$contrasts, function(one) {
    made <- suppressMessages(contrast(found, one[1], adjust = one[2]))
    list(method = one[1], adjust = one[2],
         numbers = numbers(summary(made, infer = TRUE, type = type, adjust = one[2])))
  })
  list(model = r$model, specs = as.list(r$specs), by = as.list(r$by), arguments = a,
       means = numbers(shown), contrasts = contrasts)
}

joint <- function(name, ...) {
  emm_options(lmer.df = "satterthwaite")
  fitted <- fit(models[[name]])
  t <- suppressMessages(joint_tests(fitted, ...))
  list(model = name, terms = as.character(t[["model term"]]), num_df = t$df1, den_df = t$df2,
       statistic = t$F.ratio, p_value = t$p.value)
}

out <- list(
  data = lapply(d, function(v) if (is.factor(v)) as.character(v) else v),
  models = lapply(models, function(m) list(formula = m[[1]], rows = m[[2]] - 1, weights = m$weights,
                                           contrasts = m$contrasts, reml = m$reml)),
  requests = lapply(requests, answer),
  joint_tests = list(joint("balanced"), joint("unbalanced"), joint("covariates"),
                     joint("covariate_interaction"), joint("missing_cell"), joint("three_factors"))
)
write(toJSON(out, auto_unbox = TRUE, digits = NA, na = "null", null = "null"), "tests/reference/emmeans.json")
