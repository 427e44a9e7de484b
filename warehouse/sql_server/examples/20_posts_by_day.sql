-- title: Posts by day and platform
-- domain: data_science
-- chart: {"plugin": "Y Line", "group_by": ["posted_date"], "split_by": ["platform"], "columns": ["posts"]}
select posted_date, platform, sum(posts)::bigint as posts, sum(authors)::bigint as authors
from marts.posts_daily
group by all
order by all
