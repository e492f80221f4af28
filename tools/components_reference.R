# Reference values of models with a predictor of the dispersion, zero inflation, truncated counts and ordered categories,
# by glmmTMB and ordinal, for tests/reference/components.json.
#
#   Rscript tools/components_reference.R tests/reference/components.json OUT.json
#
# The data are those of the file that is there. Estimates of glmmTMB are polished by Newton steps on its own criterion,
# since its optimiser stops early. ordinal 2022.11-16 exchanges "cloglog" and "loglog" in clmm (not in clm), and its
# Laplace approximation of these two is not that of the exact curvature; so that link is by quadrature.
suppressMessages({library(glmmTMB); library(ordinal); library(jsonlite)})
arguments <- commandArgs(trailingOnly = TRUE)
data <- fromJSON(arguments[1])$data
d <- as.data.frame(data)
for (name in c("g", "h", "f")) d[[name]] <- factor(d[[name]])
for (name in c("ord", "ordp")) d[[name]] <- factor(d[[name]], ordered = TRUE)

block <- function(m) if (!is.null(m)) list(names = I(rownames(m)), estimate = I(unname(m[, 1])), std_error = I(unname(m[, 2])))

tmb <- list()
add_tmb <- function(name, fit) {
  objective <- fit$obj
  par <- fit$fit$par
  for (i in 1:5) par <- par - solve(optimHess(par, objective$fn, objective$gr), as.numeric(objective$gr(par)))
  found <- summary(fit)$coefficients
  tmb[[name]] <<- list(call = paste(trimws(deparse(fit$call)), collapse = " "), objective = 2 * as.numeric(objective$fn(par)),
                       fixed = block(found$cond), dispersion = block(found$disp), zero_inflation = block(found$zi))
}
add_tmb("nb_dispersion", glmmTMB(nb ~ x + f + (1 | g) + (1 | h), d, nbinom2, dispformula = ~z))
add_tmb("nb1_dispersion", glmmTMB(nb1 ~ x + f + (1 | g) + (1 | h), d, nbinom1, dispformula = ~z))
add_tmb("gamma_dispersion", glmmTMB(gam ~ x + f + (1 | g) + (1 | h), d, Gamma(link = "log"), dispformula = ~z))
add_tmb("gaussian_dispersion", glmmTMB(gau ~ x + f + (1 | g) + (1 | h), d, gaussian, dispformula = ~z))
add_tmb("beta_dispersion", glmmTMB(be ~ x + f + (1 | g) + (1 | h), d, beta_family(), dispformula = ~z))
add_tmb("zero_inflated_poisson", glmmTMB(zip ~ x + f + (1 | g) + (1 | h), d, poisson, ziformula = ~x))
add_tmb("constant_zero_inflation", glmmTMB(zip ~ x + (1 | g), d, poisson, ziformula = ~1))
add_tmb("zero_inflated_nb_dispersion", glmmTMB(zinb ~ x + (1 | g) + (1 | h), d, nbinom2, ziformula = ~x, dispformula = ~z))
add_tmb("truncated_nb", glmmTMB(tnb ~ x + (1 | g), d, truncated_nbinom2))

clmm_ <- list()
add_clmm <- function(name, fit) {
  k <- length(fit$alpha)
  se <- sqrt(diag(vcov(fit)))
  clmm_[[name]] <<- list(call = paste(trimws(deparse(fit$call)), collapse = " "), objective = -2 * as.numeric(fit$logLik),
                         names = I(names(coef(fit))), estimate = I(unname(coef(fit))),
                         std_error = I(unname(se[seq_along(coef(fit))])),
                         sd = I(unname(unlist(lapply(VarCorr(fit), function(v) attr(v, "stddev"))))))
}
add_clmm("logit", clmm(ord ~ x + f + (1 | g) + (1 | h), d))
add_clmm("probit", clmm(ordp ~ x + f + (1 | g), d, link = "probit"))
add_clmm("logit_10_nodes", clmm(ord ~ x + f + (1 | g), d, nAGQ = 10))
add_clmm("probit_15_nodes", clmm(ordp ~ x + f + (1 | g), d, nAGQ = 15, link = "probit"))
add_clmm("cloglog_25_nodes", clmm(ord ~ x + (1 | g), d, nAGQ = 25, link = "loglog"))

out <- list(R = R.version.string, glmmTMB = as.character(packageVersion("glmmTMB")),
            ordinal = as.character(packageVersion("ordinal")), data = data, glmmTMB_fits = tmb, clmm_fits = clmm_)
write(toJSON(out, digits = 15, auto_unbox = TRUE, dataframe = "columns", null = "null"), arguments[2])
