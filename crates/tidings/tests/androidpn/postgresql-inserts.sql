--
-- PostgreSQL database dump
--

\restrict biDNzJakxgDFVUtAaw9F1YiMd7QvPpM8vRs2gEZ1nU09cfWmfVd8mPfVBYUQ5JB

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: apn_user; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.apn_user (
    id bigint NOT NULL,
    created_date timestamp without time zone,
    email character varying(64),
    name character varying(64),
    password character varying(64),
    updated_date timestamp without time zone,
    username character varying(64) NOT NULL
);


ALTER TABLE public.apn_user OWNER TO postgres;

--
-- Name: other; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.other (
    id integer,
    apn_user character varying(20)
);


ALTER TABLE public.other OWNER TO postgres;

--
-- Data for Name: apn_user; Type: TABLE DATA; Schema: public; Owner: postgres
--

INSERT INTO public.apn_user VALUES (1, '2012-03-04 05:06:07.89', 'admin@domain.com', 'Administrator', 'admin', NULL, 'admin');
INSERT INTO public.apn_user VALUES (2, '2012-03-04 05:06:07.89', NULL, 'Zoë “📱”, (x)', 'O''Brien\n;', NULL, 'c3f1a0de');
INSERT INTO public.apn_user VALUES (4, '2012-03-04 05:06:07.89', NULL, NULL, NULL, NULL, 'nopass');
INSERT INTO public.apn_user VALUES (5, '2012-03-04 05:06:07.89', 'not an address', '', 'two words', NULL, 'Case');


--
-- Data for Name: other; Type: TABLE DATA; Schema: public; Owner: postgres
--

INSERT INTO public.other VALUES (1, 'it''s (not) one;');


--
-- Name: apn_user apn_user_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.apn_user
    ADD CONSTRAINT apn_user_pkey PRIMARY KEY (id);


--
-- Name: apn_user apn_user_username_key; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.apn_user
    ADD CONSTRAINT apn_user_username_key UNIQUE (username);


--
-- PostgreSQL database dump complete
--

\unrestrict biDNzJakxgDFVUtAaw9F1YiMd7QvPpM8vRs2gEZ1nU09cfWmfVd8mPfVBYUQ5JB

